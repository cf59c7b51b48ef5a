"""What a scanner trusts, as a file: the keys it was set up with, and the lists it has seen since.

    {"keys": {"202203-1": "<base64 of 32 bytes>"}, "key_epoch": 2, "lists": {"22.1": 7}}

It is written when a scanner is set up, and anew with every newer list that is taken.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from zikao.tickets.v1.verification_service_pb2 import GetVerificationDataResponse
from zikao_kit.files import write_whole
from zikao_tickets.verification_list import KnownList, ListRejected, keys_from_pb, read_list

# A list changes every second at most, and keys a few times a year. Whoever signs with a stolen key
# could number a list so that none of ours would ever be newer.
MAX_NUMBER_JUMP = 1_000_000
MAX_EPOCH_JUMP = 100


class TrustError(Exception):
    """The list cannot be used, or the file of what is trusted; the text says why."""


@dataclass(frozen=True)
class Trust:
    """Public keys by id, their epoch, and the number of the last list by session."""

    keys: Mapping[str, Ed25519PublicKey]
    key_epoch: int = 0
    lists: Mapping[str, int] = field(default_factory=dict)

    def taking(self, file: bytes) -> tuple[KnownList, Trust]:
        """What a list says, and what is trusted after it: its keys and no others.

        Raises TrustError for a list that no trusted key has signed, for one older than the last of
        its session or with older keys than the last of any, and for a number beyond reason.
        """
        try:
            known = read_list(file, self.keys)
        except ListRejected as rejected:
            raise TrustError(str(rejected)) from rejected
        last = self.lists.get(known.session_code, 0)
        if known.number < last:
            raise TrustError(f"this is list {known.number}; list {last} has been taken before")
        if known.key_epoch < self.key_epoch:
            raise TrustError("the keys of this list are older than those of a list taken before")
        if not self._is_near(known, last):
            raise TrustError(f"this is list {known.number}, too far from list {last}")
        lists = {**self.lists, known.session_code: known.number}
        return known, replace(self, keys=known.keys, key_epoch=known.key_epoch, lists=lists)

    def _is_near(self, known: KnownList, last: int) -> bool:
        epochs = known.key_epoch - self.key_epoch
        return known.number - last <= MAX_NUMBER_JUMP and epochs <= MAX_EPOCH_JUMP

    def write(self, path: Path) -> None:
        """Write the file whole."""
        keys = {
            key_id: base64.b64encode(key.public_bytes_raw()).decode()
            for key_id, key in self.keys.items()
        }
        content = {"keys": keys, "key_epoch": self.key_epoch, "lists": dict(self.lists)}
        text = json.dumps(content, indent=2)
        write_whole(path, text + "\n")


def first_trust(answer: GetVerificationDataResponse) -> Trust:
    """What a new scanner trusts: keys that came over a connection that proves who is there."""
    return Trust(keys_from_pb(answer.keys), answer.key_epoch)


def read_trust(path: Path) -> Trust:
    """The file's content. Raises TrustError."""
    try:
        content = json.loads(path.read_text("utf-8"))
        keys = {
            str(key_id): Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
            for key_id, key in content["keys"].items()
        }
        key_epoch = int(content["key_epoch"])
        lists = {str(session): int(number) for session, number in content["lists"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrustError(f"{path} cannot be read: {error}") from error
    return Trust(keys, key_epoch, lists)
