"""The signed list of keys and revoked tickets that scanners carry: made, and read again.

What is signed is a `VerificationList` of the contract, in the bytes in which it is carried.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from google.protobuf.message import DecodeError
from zikao.tickets.v1.verification_service_pb2 import (
    SignedVerificationList,
    VerificationKey,
    VerificationList,
)

from zikao_tickets.proof import TICKET_NUMBER_BYTES, TICKET_NUMBER_DIGITS, RevocationKey

VERSION_BYTES = 2
# A scanner without a network all day is no fault; one that has none the next day is.
FRESH = timedelta(hours=24)
ENTRY_BYTES = TICKET_NUMBER_BYTES + VERSION_BYTES
_CONTEXT = b"zikao verification list 1\x00"


class ListRejected(Exception):  # noqa: N818 - says what happened
    """The file is no list that may be used; the text says why, for an operator."""


@dataclass(frozen=True)
class KnownList:
    """What a list says; keys by id."""

    session_code: str
    number: int
    as_of: datetime
    next_update_at: datetime
    keys: Mapping[str, Ed25519PublicKey]
    key_epoch: int
    revoked: frozenset[RevocationKey]


@dataclass(frozen=True)
class ListContent:
    """What a list will say; `revoked` are ticket numbers and versions, ascending."""

    session_code: str
    keys: Mapping[str, Ed25519PublicKey]
    key_epoch: int
    revoked: Sequence[tuple[str, int]]
    as_of: datetime

    def digest(self) -> bytes:
        """SHA-256 of what a new number stands for: all but the time."""
        keys = [key_id.encode() + key.public_bytes_raw() for key_id, key in self.keys.items()]
        all_parts = (str(self.key_epoch).encode(), *keys, pack_revoked(self.revoked))
        parts = [hashlib.sha256(part).digest() for part in all_parts]
        return hashlib.sha256(b"".join(parts)).digest()

    def signed(self, number: int, key_id: str, private_key: Ed25519PrivateKey) -> bytes:
        """The file with the list, numbered and signed."""
        payload = VerificationList(
            session_code=self.session_code,
            list_number=number,
            keys=keys_to_pb(self.keys),
            key_epoch=self.key_epoch,
            revoked=pack_revoked(self.revoked),
        )
        payload.as_of.FromDatetime(self.as_of)
        payload.next_update_at.FromDatetime(self.as_of + FRESH)
        data = payload.SerializeToString(deterministic=True)
        signature = private_key.sign(_CONTEXT + data)
        signed = SignedVerificationList(payload=data, key_id=key_id, signature=signature)
        return signed.SerializeToString(deterministic=True)


def pack_revoked(revoked: Sequence[tuple[str, int]]) -> bytes:
    """Ticket numbers and versions, ascending, as the list carries them."""
    return b"".join(
        int(number).to_bytes(TICKET_NUMBER_BYTES) + version.to_bytes(VERSION_BYTES)
        for number, version in revoked
    )


def keys_to_pb(keys: Mapping[str, Ed25519PublicKey]) -> list[VerificationKey]:
    """Public keys by id, as messages."""
    return [
        VerificationKey(key_id=key_id, public_key=key.public_bytes_raw())
        for key_id, key in keys.items()
    ]


def keys_from_pb(keys: Sequence[VerificationKey]) -> dict[str, Ed25519PublicKey]:
    """The inverse; raises ValueError for a key that is not of 32 bytes."""
    return {key.key_id: Ed25519PublicKey.from_public_bytes(key.public_key) for key in keys}


def read_list(file: bytes, trusted: Mapping[str, Ed25519PublicKey]) -> KnownList:
    """What a file says, if a trusted key has signed it. Raises ListRejected."""
    try:
        signed = SignedVerificationList.FromString(file)
        if signed.key_id not in trusted:
            raise ListRejected(f"key {signed.key_id!r} is not trusted")
        trusted[signed.key_id].verify(signed.signature, _CONTEXT + signed.payload)
        return _known(VerificationList.FromString(signed.payload))
    except InvalidSignature as error:
        raise ListRejected("the signature is not valid: the file was changed") from error
    except (DecodeError, ValueError) as error:
        raise ListRejected("this is no verification list") from error


def _known(content: VerificationList) -> KnownList:
    return KnownList(
        session_code=content.session_code,
        number=content.list_number,
        as_of=content.as_of.ToDatetime(UTC),
        next_update_at=content.next_update_at.ToDatetime(UTC),
        keys=keys_from_pb(content.keys),
        key_epoch=content.key_epoch,
        revoked=frozenset(_unpacked(content.session_code, content.revoked)),
    )


def _unpacked(session_code: str, revoked: bytes) -> Iterator[RevocationKey]:
    if len(revoked) % ENTRY_BYTES:
        raise ValueError("revoked")
    for at in range(0, len(revoked), ENTRY_BYTES):
        number = int.from_bytes(revoked[at : at + TICKET_NUMBER_BYTES])
        version = int.from_bytes(revoked[at + TICKET_NUMBER_BYTES : at + ENTRY_BYTES])
        yield session_code, f"{number:0{TICKET_NUMBER_DIGITS}}", version
