"""Personal data at rest: encrypted where it is kept, found by a keyed hash (DOMAIN section 7).

Each service has a key file of its own:

    current: k2                # encrypts from now on
    keys:                      # all decrypt; base64, 32 bytes each
      k1: 0jvO...=
      k2: 9Xc1...=
    index_key: mB4q...=        # never changes: what is stored is found with it
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
FORMAT_VERSION = 1
FIRST_KEY_ID = "k1"

_NUMBERED = re.compile(r"k[0-9]{1,9}", re.ASCII)
_KEY_ID = re.compile(r"[A-Za-z0-9_.-]{1,32}")
_FIELDS = {"current", "keys", "index_key"}


class KeyFileInvalid(ValueError):  # noqa: N818 - says what is wrong
    """A key file cannot be used; the message names the file and the problem, never a key."""


class DecryptionFailed(Exception):  # noqa: N818 - says what happened
    """A blob is damaged, of an unknown key, or belongs to another context."""


class KeyRing:
    """Encrypts and decrypts small values with AES-256-GCM, and makes blind indexes.

    A blob is: format version (1 byte), length of the key id (1), key id, nonce (12),
    ciphertext with its tag. The context (such as `registration.candidate.personal:<id>`)
    is authenticated with it: a blob copied to another row or column does not decrypt.
    Nonces are random: a key is good for 2^32 values, far more than a province has.

    A ring from a file reads it again when a blob names a key it does not know, and with
    `refresh`: keys are rotated (`zikao_kit.key_commands`) while services run.
    """

    def __init__(self, current: str, keys: Mapping[str, bytes], index_key: bytes) -> None:
        problem = _problem_of(current, keys, index_key)
        if problem:
            raise KeyFileInvalid(problem)
        ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        # One attribute, so that threads never see a part of a change.
        self._held = _Held(current, dict(keys), ciphers)
        self._index_key = index_key
        self._path: Path | None = None

    @classmethod
    def generate(cls) -> KeyRing:
        """Make a ring with one new key and a new index key."""
        key, index_key = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(KEY_BYTES)
        return cls(FIRST_KEY_ID, {FIRST_KEY_ID: key}, index_key)

    @classmethod
    def from_file(cls, path: Path) -> KeyRing:
        """Read a key file (YAML or JSON); KeyFileInvalid when it is not one."""
        try:
            ring = cls._from_content(yaml.safe_load(path.read_bytes()))
        except OSError as error:
            raise KeyFileInvalid(f"key file {path}: {error.strerror}") from error
        except yaml.YAMLError:
            # From None: a parser's message quotes the line, which may hold a key.
            raise KeyFileInvalid(f"key file {path}: neither YAML nor JSON") from None
        except KeyFileInvalid as error:
            raise KeyFileInvalid(f"key file {path}: {error}") from None
        ring._path = path
        return ring

    @classmethod
    def _from_content(cls, content: object) -> KeyRing:
        if not isinstance(content, dict) or content.keys() != _FIELDS:
            raise KeyFileInvalid(f"expected exactly the fields {', '.join(sorted(_FIELDS))}")
        keys = content["keys"]
        if not isinstance(keys, dict):
            raise KeyFileInvalid("keys: expected a mapping of key ids to keys")
        decoded = {str(key_id): _decoded(f"keys.{key_id}", key) for key_id, key in keys.items()}
        return cls(str(content["current"]), decoded, _decoded("index_key", content["index_key"]))

    @property
    def current(self) -> str:
        """The id of the key that encrypts."""
        return self._held.current

    @property
    def key_ids(self) -> list[str]:
        """All ids, the oldest key first."""
        return list(self._held.keys)

    def with_new_key(self) -> KeyRing:
        """The same ring with one key more, which does not encrypt yet."""
        numbers = [int(key_id[1:]) for key_id in self.key_ids if _NUMBERED.fullmatch(key_id)]
        number = max(numbers, default=0)
        new_key = {f"k{number + 1}": secrets.token_bytes(KEY_BYTES)}
        return KeyRing(self.current, self._held.keys | new_key, self._index_key)

    def using(self, key_id: str) -> KeyRing:
        """The same ring, encrypting with another of its keys; raises KeyFileInvalid."""
        return KeyRing(key_id, self._held.keys, self._index_key)

    def without(self, key_id: str) -> KeyRing:
        """The same ring without a key; raises KeyFileInvalid for the one that encrypts."""
        keys = {other: key for other, key in self._held.keys.items() if other != key_id}
        return KeyRing(self.current, keys, self._index_key)

    def write(self, path: Path) -> None:
        """Write the ring to a new file, mode 0600; FileExistsError rather than lose a key."""
        held = self._held
        keys = {key_id: _encoded(key) for key_id, key in held.keys.items()}
        content = {"current": held.current, "keys": keys, "index_key": _encoded(self._index_key)}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            yaml.safe_dump(content, file, sort_keys=False)
            file.flush()
            os.fsync(descriptor)

    def refresh(self) -> None:
        """Take over what the ring's file says by now; raises KeyFileInvalid and keeps the keys."""
        if self._path is None:
            return
        fresh = KeyRing.from_file(self._path)
        if fresh._index_key != self._index_key:
            raise KeyFileInvalid(f"key file {self._path}: index_key has changed")
        self._held = fresh._held

    def encrypt(self, plaintext: bytes, context: str) -> bytes:
        """Return the blob of `plaintext`, readable only with the same `context`."""
        held = self._held
        header = _header(held.current)
        nonce = os.urandom(NONCE_BYTES)
        associated = header + context.encode()
        return header + nonce + held.ciphers[held.current].encrypt(nonce, plaintext, associated)

    def decrypt(self, blob: bytes, context: str) -> bytes:
        """Return the plaintext; DecryptionFailed when blob and `context` do not belong together."""
        key_id, body_start = _parse_header(blob)
        cipher = self._held.ciphers.get(key_id) or self._newer_cipher(key_id)
        header, nonce_end = blob[:body_start], body_start + NONCE_BYTES
        nonce, ciphertext = blob[body_start:nonce_end], blob[nonce_end:]
        try:
            return cipher.decrypt(nonce, ciphertext, header + context.encode())
        except InvalidTag:
            raise DecryptionFailed("damaged, or of another context") from None

    def _newer_cipher(self, key_id: str) -> AESGCM:
        try:
            self.refresh()
        except KeyFileInvalid as error:
            raise DecryptionFailed(f"no key {key_id!r} in the ring: {error}") from error
        cipher = self._held.ciphers.get(key_id)
        if cipher is None:
            raise DecryptionFailed(f"no key {key_id!r} in the ring")
        return cipher

    def blind_index(self, value: str, purpose: str) -> bytes:
        """Return 32 bytes that are equal for equal (value, purpose) and tell nothing else.

        Normalise the value first: `x` and `X` have different indexes.
        """
        prefix = len(purpose.encode()).to_bytes(2) + purpose.encode()
        return hmac.digest(self._index_key, prefix + value.encode(), hashlib.sha256)


@dataclass(frozen=True)
class _Held:
    """What encrypts and decrypts."""

    current: str
    keys: dict[str, bytes]
    ciphers: dict[str, AESGCM]


def _header(key_id: str) -> bytes:
    return bytes([FORMAT_VERSION, len(key_id)]) + key_id.encode()


def _parse_header(blob: bytes) -> tuple[str, int]:
    """Return the key id and where the nonce begins."""
    if len(blob) < 2 or blob[0] != FORMAT_VERSION:
        raise DecryptionFailed("not of a known format")
    body_start = 2 + blob[1]
    if len(blob) < body_start + NONCE_BYTES + TAG_BYTES:
        raise DecryptionFailed("too short")
    return blob[2:body_start].decode("ascii", "replace"), body_start


def _problem_of(current: str, keys: Mapping[str, bytes], index_key: bytes) -> str | None:
    for key_id, key in keys.items():
        if not _KEY_ID.fullmatch(key_id):
            return f"key id {key_id!r}: expected 1 to 32 letters, digits, '_', '.', '-'"
        if len(key) != KEY_BYTES:
            return f"keys.{key_id}: {len(key)} bytes, expected {KEY_BYTES}"
    if current not in keys:
        return f"current: no key {current!r}"
    if len(index_key) != KEY_BYTES:
        return f"index_key: {len(index_key)} bytes, expected {KEY_BYTES}"
    if len({index_key, *keys.values()}) != len(keys) + 1:
        return "the same key appears twice"
    return None


def _decoded(name: str, value: object) -> bytes:
    try:
        return base64.b64decode(str(value), validate=True)
    except (binascii.Error, ValueError):
        raise KeyFileInvalid(f"{name}: not base64") from None


def _encoded(key: bytes) -> str:
    return base64.b64encode(key).decode()
