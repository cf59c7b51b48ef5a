"""Who has had an answer to certain methods, known without asking: nobody else repeats a request.

answered = AnsweredActors(db, "enrollment", ["zikao.enrollment.v1.SubmitPlanRequest"])
await answered.look()
async with db.transaction(isolation="REPEATABLE READ") as tx:
    await answered.read(tx)    # as of the transaction's snapshot

What is new since the last reading is read, by the age of answers (`zikao_kit.idempotency`). An
answer bears the time at which its transaction began, and may be seen much later: so the next
reading begins where the oldest transaction began that ran at the last look. The database shows a
role the transactions of that role alone: only the service's own role may store answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from zikao_kit.db import Database, Transaction
from zikao_kit.queries import kit_queries

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
# A transaction has its time a moment before the database shows that it runs.
UNSEEN = timedelta(milliseconds=250)


class AnsweredActors:
    """Some 120 bytes each. Who is not in it had no answer at the moment of the last reading."""

    def __init__(self, db: Database, schema: str, methods: Sequence[str]) -> None:
        """`methods` are the full names of the requests' messages, as keys of answers have them."""
        self._db = db
        self._queries = kit_queries(schema)
        self._methods = list(methods)
        self._since = self._next = _BEGINNING
        self._actors: set[str] = set()

    def __contains__(self, actor: str) -> bool:
        """Say whether the actor may have had an answer."""
        return actor in self._actors

    def update(self, actors: Iterable[str]) -> None:
        """These get one now, or so it seems."""
        self._actors.update(actors)

    async def look(self) -> None:
        """See what runs; to be done before the snapshot of `read` is taken."""
        async with self._db.read() as tx:
            self._next = await tx.using(self._queries).fetchval("oldest_transaction")

    async def read(self, tx: Transaction) -> None:
        """Read what has been stored since the last time."""
        actors = await tx.using(self._queries).fetchval("list_answered", self._since, self._methods)
        self._actors.update(actors)
        self._since = self._next - UNSEEN
