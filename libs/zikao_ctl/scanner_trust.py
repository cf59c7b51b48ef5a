"""What a scanner trusts, as a file: the keys it was set up with, and the lists it has seen since.

    {"keys": {"202203-1": "<base64 of 32 bytes>"}, "lists": {"22.1": 7}}

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


class TrustError(Exception):
    """The list cannot be used, or the file of what is trusted; the text says why."""


@dataclass(frozen=True)
class Trust:
    """Public keys by id, and the number of the last list by session."""

    keys: Mapping[str, Ed25519PublicKey]
    lists: Mapping[str, int] = field(default_factory=dict)

    def taking(self, file: bytes) -> tuple[KnownList, Trust]:
        """What a list says, and what is trusted after it: its keys and no others.

        Raises TrustError for a list that no trusted key has signed, and for one older than the
        last.
        """
        try:
            known = read_list(file, self.keys)
        except ListRejected as rejected:
            raise TrustError(str(rejected)) from rejected
        last = self.lists.get(known.session_code, 0)
        if known.number < last:
            raise TrustError(f"this is list {known.number}; list {last} has been taken before")
        lists = {**self.lists, known.session_code: known.number}
        return known, replace(self, keys=known.keys, lists=lists)

    def write(self, path: Path) -> None:
        """Write the file whole."""
        keys = {
            key_id: base64.b64encode(key.public_bytes_raw()).decode()
            for key_id, key in self.keys.items()
        }
        text = json.dumps({"keys": keys, "lists": dict(self.lists)}, indent=2)
        write_whole(path, text + "\n")


def first_trust(answer: GetVerificationDataResponse) -> Trust:
    """What a new scanner trusts: keys that came over a connection that proves who is there."""
    return Trust(keys_from_pb(answer.keys))


def read_trust(path: Path) -> Trust:
    """The file's content. Raises TrustError."""
    try:
        content = json.loads(path.read_text("utf-8"))
        keys = {
            str(key_id): Ed25519PublicKey.from_public_bytes(base64.b64decode(key, validate=True))
            for key_id, key in content["keys"].items()
        }
        lists = {str(session): int(number) for session, number in content["lists"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TrustError(f"{path} cannot be read: {error}") from error
    return Trust(keys, lists)
