"""What a backup must not show: encrypted with a key that is made from a passphrase.

Salt (16 bytes) ‖ nonce (12) ‖ AES-256-GCM of the content; the key by scrypt (N 2^15, r 8, p 1).
"""

from __future__ import annotations

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from zikao_kit.config import read_secret
from zikao_kit.config_loading import ConfigError

from zikao_ctl.layout import InstallationError

SALT_BYTES, NONCE_BYTES, KEY_BYTES = 16, 12, 32
SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**15, 8, 1
LEAST_CHARACTERS = 12


def read_passphrase(path: Path) -> bytes:
    """The passphrase in a file. Raises InstallationError where it is short or cannot be read."""
    try:
        passphrase = read_secret(path)
    except ConfigError as error:
        raise InstallationError(str(error)) from error
    if len(passphrase) < LEAST_CHARACTERS:
        raise InstallationError(f"{path}: a passphrase has at least {LEAST_CHARACTERS} characters")
    return passphrase.encode()


def seal(content: bytes, passphrase: bytes, bound_to: bytes) -> bytes:
    """Encrypt; it opens only together with `bound_to`."""
    salt, nonce = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(NONCE_BYTES)
    return salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, content, bound_to)


def unseal(sealed: bytes, passphrase: bytes, bound_to: bytes) -> bytes:
    """Decrypt. Raises InstallationError for another passphrase, and for anything changed."""
    salt, rest = sealed[:SALT_BYTES], sealed[SALT_BYTES:]
    nonce, content = rest[:NONCE_BYTES], rest[NONCE_BYTES:]
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, content, bound_to)
    except (InvalidTag, ValueError) as error:
        raise InstallationError(
            "the passphrase is another one, or the backup was changed"
        ) from error


def _key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt, KEY_BYTES, SCRYPT_N, SCRYPT_R, SCRYPT_P).derive(passphrase)
