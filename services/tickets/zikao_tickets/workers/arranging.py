"""Takes arrangements that wait, one at a time; several processes may do so at once."""

from datetime import timedelta

from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database

from zikao_tickets.arrangement_store import ArrangementStore
from zikao_tickets.commands.run_arrangement import run_arrangement
from zikao_tickets.names import ENROLLMENTS


class ArrangementWorker:
    """A process that dies leaves its lease, which another takes over when it has passed."""

    def __init__(self, db: Database, keys: KeyRing, lease: timedelta) -> None:
        self._db = db
        self._keys = keys
        self._lease = lease

    async def work(self) -> bool:
        """Do one arrangement; False when none waits."""
        async with self._db.transaction() as tx:
            arrangement_id = await ArrangementStore(tx).lease(ENROLLMENTS, self._lease)
        if arrangement_id is None:
            return False
        async with self._db.transaction() as tx:
            await run_arrangement(ArrangementStore(tx), arrangement_id, self._keys)
        return True
