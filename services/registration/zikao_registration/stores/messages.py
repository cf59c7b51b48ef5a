"""Outgoing messages in the database; whom they are for and what they say is encrypted."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.crypto import DecryptionFailed, KeyRing
from zikao_kit.db import Record, Transaction

from zikao_registration.domain.messages import Channel, OutgoingMessage


@dataclass(frozen=True)
class LeasedMessage:
    """A message that this process sends now, for the `tries`-th time; None: it cannot be read."""

    message_id: UUID
    channel: Channel
    tries: int
    message: OutgoingMessage | None


class MessageStore:
    """One method a query, bound to a running transaction."""

    def __init__(self, transaction: Transaction, keys: KeyRing) -> None:
        self._tx = transaction
        self._keys = keys

    async def insert(self, message: OutgoingMessage) -> None:
        """Have it sent once this transaction is committed."""
        content = [message.recipient, message.subject, message.text]
        sealed = self._keys.encrypt(
            json.dumps(content, ensure_ascii=False).encode(), _context(message.message_id)
        )
        await self._tx.execute(
            "insert_message", message.message_id, message.channel, sealed, message.expires_at
        )

    async def lease(
        self, channel: Channel, now: datetime, max_count: int, lease_seconds: float
    ) -> list[LeasedMessage]:
        """Take some of a channel that are due; nobody else gets them before the lease ends."""
        rows = await self._tx.fetch("lease_messages", max_count, lease_seconds, channel, now)
        return [self._leased(row) for row in rows]

    async def take_expired(self, now: datetime, max_count: int) -> list[LeasedMessage]:
        """Delete some that have expired, of every channel, and return them."""
        rows = await self._tx.fetch("take_expired_messages", now, max_count)
        return [self._leased(row) for row in rows]

    async def count_waiting(self) -> dict[Channel, int]:
        """How many there are on each channel, due or not."""
        rows = await self._tx.fetch("count_messages")
        return {Channel(row["channel"]): row["waiting"] for row in rows}

    async def postpone(self, message_id: UUID, seconds: float) -> None:
        """Have it tried again after a while."""
        await self._tx.execute("postpone_message", message_id, seconds)

    async def delete(self, message_id: UUID) -> None:
        """It was handed over, or never will be."""
        await self._tx.execute("delete_message", message_id)

    def _leased(self, row: Record) -> LeasedMessage:
        channel, message = Channel(row["channel"]), None
        with suppress(DecryptionFailed):
            message = self._message(row)
        return LeasedMessage(row["message_id"], channel, row["tries"], message)

    def _message(self, row: Record) -> OutgoingMessage:
        message_id = row["message_id"]
        opened = self._keys.decrypt(row["content_enc"], _context(message_id))
        recipient, subject, text = json.loads(opened)
        channel, expires_at = Channel(row["channel"]), row["expires_at"]
        return OutgoingMessage(message_id, channel, recipient, subject, text, expires_at)


def _context(message_id: UUID) -> str:
    return f"registration.message:{message_id}"
