"""Forgets in which traces orders were submitted that were never confirmed."""

from datetime import timedelta

from zikao_kit.db import Database

from zikao_enrollment.stores.orders import OrderStore

OLD_TRACES_PAUSE_SECONDS = 3600.0
# No hold lasts so long, and no collector keeps a trace open for it.
KEPT = timedelta(days=1)


class OldTraceWorker:
    """Several processes may do so at once."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def work(self) -> bool:
        """Forget; never more to do."""
        async with self._db.transaction() as tx:
            await OrderStore(tx).forget_traces(KEPT)
        return False
