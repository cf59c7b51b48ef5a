"""Takes arrangements that wait, one at a time; several processes may do so at once."""

from datetime import timedelta
from uuid import UUID

import structlog
from zikao_kit.context import acting_as, current_request_id
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.metrics import BACKGROUND_FAILURES
from zikao_kit.tokens import SERVICE_ROLE, Actor

from zikao_tickets.commands.run_arrangement import run_arrangement
from zikao_tickets.names import ENROLLMENTS, SCHEMA
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.stores.arrangements import ArrangementStore

WORK = "arrangement"
MAX_ATTEMPTS = 5

log = structlog.get_logger()


class ArrangementWorker:
    """A process that dies leaves its lease, which another takes over when it has passed.

    So does one that loses the database: MAX_ATTEMPTS times, since what kills processes or
    takes the database too long would do so for ever. Any other fault would be the same again:
    it ends the arrangement at once. The office may then start another one.
    """

    def __init__(self, db: Database, keys: KeyRing, lease: timedelta, pool: SolvePool) -> None:
        self._db = db
        self._pool = pool
        self._keys = keys
        self._lease = lease

    async def work(self) -> bool:
        """Do one arrangement; False when none waits."""
        async with self._db.transaction() as tx:
            store = ArrangementStore(tx)
            given_up = await store.give_up(MAX_ATTEMPTS)
            arrangement_id = await store.lease(ENROLLMENTS, self._lease)
        for each in given_up:
            log.error("arrangement given up", work=WORK, arrangement_id=str(each))
        if arrangement_id is None:
            return False
        with acting_as(Actor(subject=SCHEMA, role=SERVICE_ROLE, caller=SCHEMA)):
            await self._arrange(arrangement_id)
        return True

    async def _arrange(self, arrangement_id: UUID) -> None:
        async def work(tx: Transaction) -> None:
            await run_arrangement(ArrangementStore(tx), arrangement_id, self._keys, self._pool)

        try:
            await self._db.run(work)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.exception("arrangement failed", work=WORK, arrangement_id=str(arrangement_id))
            BACKGROUND_FAILURES.labels(WORK).inc()
            failure = f"编排程序出错，请联系技术人员（编号{current_request_id()}）"
            async with self._db.transaction() as tx:
                await ArrangementStore(tx).fail(arrangement_id, failure)
