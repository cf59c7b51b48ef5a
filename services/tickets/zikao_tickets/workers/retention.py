"""Deletes what is kept no longer; several processes may do so at once."""

from datetime import timedelta

from zikao_kit.clock import Clock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.stores.documents import DocumentStore

# Each has a note of every fifty tickets, of some kilobytes.
DOCUMENTS_PER_ROUND = 20


class OldDocumentWorker:
    """Documents go with the notes of their parts a while after they were begun.

    The notes say which characters names have; who has printed what stays in the audit.
    """

    def __init__(self, db: Database, keys: KeyRing, clock: Clock, keep: timedelta) -> None:
        self._db = db
        self._keys = keys
        self._clock = clock
        self._keep = keep

    async def work(self) -> bool:
        """Delete some; True when there may be more. Never, where they are kept for ever."""
        if not self._keep:
            return False
        until = self._clock.now() - self._keep
        async with self._db.transaction() as tx:
            store = DocumentStore(tx, self._keys)
            return await store.delete_old(until, DOCUMENTS_PER_ROUND) == DOCUMENTS_PER_ROUND
