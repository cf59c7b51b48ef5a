"""Answers by request id, kept encrypted: they hold whole registrations."""

from __future__ import annotations

from uuid import UUID

from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue
from zikao_kit.crypto import KeyRing
from zikao_kit.idempotency import RequestKey, key_of, sha256


class SealedAnswers:
    """Seals what is stored under a request id, and makes the keyed digest of its body.

    A document number could be guessed from a plain hash.
    """

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    def key_of(self, request: Message, *, asker: str = "") -> RequestKey:
        """The key of a mutation's request, in the name of the current actor or of `asker`."""
        return key_of(request, self.digest, asker=asker)

    def digest(self, body: bytes) -> bytes:
        """The keyed digest of a request's body."""
        return self._keys.blind_index(sha256(body).hex(), "registration.request")

    def seal(self, request_id: UUID, answer: bytes) -> BytesValue:
        """The serialised answer, encrypted for its request."""
        return BytesValue(value=self._keys.encrypt(answer, _context(request_id)))

    def open(self, request_id: UUID, sealed: BytesValue) -> bytes:
        """The serialised answer that was sealed."""
        return self._keys.decrypt(sealed.value, _context(request_id))


def _context(request_id: UUID) -> str:
    return f"registration.answer:{request_id}"
