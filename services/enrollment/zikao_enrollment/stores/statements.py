"""Statements and their lines: one method a named query of `statements.sql`."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.statements import (
    Statement,
    StatementLine,
    StatementSource,
    StatementState,
    StatementSummary,
    Totals,
)

# Who takes pages of a statement has it for so long after each.
RECEIVING_LEASE = timedelta(minutes=1)
# A file that is not complete puts off asking the platform for so long.
FILE_PATIENCE = timedelta(hours=1)
MOST_COUNTED = 10_000


class StatementStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, new: Statement) -> bool:
        """Store a statement that receives its lines; False when its day has one."""
        return bool(await self._tx.execute("insert_statement", *_begun(new)))

    async def renew(self, new: Statement) -> None:
        """Put another statement in the place of the day's, and drop what nobody has resolved."""
        await self._tx.execute("renew_statement", *_begun(new))
        await self._tx.execute("delete_open_differences", new.statement_date)

    async def lock(self, statement_date: date) -> Statement | None:
        """The day's statement, locked until the transaction ends."""
        row = await self._tx.fetchrow("lock_statement", statement_date)
        return _statement(row) if row else None

    async def find(self, statement_date: date) -> Statement | None:
        """The day's statement."""
        row = await self._tx.fetchrow("find_statement", statement_date)
        return _statement(row) if row else None

    async def list_page(self, before: date | None, limit: int) -> list[StatementSummary]:
        """Statements of days before one, the latest first."""
        return [
            StatementSummary(_statement(row), row["differences"], row["open_differences"])
            for row in await self._tx.fetch("list_statements", before, limit)
        ]

    async def delete_idle_lines(self, statement_date: date, limit: int) -> int:
        """Delete lines of the day that are not its statement's, or that it was refused for.

        Returns how many there were.
        """
        return await self._tx.execute("delete_idle_lines", statement_date, limit)

    async def known(self, lines: Iterable[StatementLine]) -> dict[tuple[str, str], date]:
        """In which day's statement money is already, by its subject and kind."""
        keys = ((line.subject_id, line.money) for line in lines)
        rows = await self._tx.fetch("list_known_lines", *columns(keys, 2))
        return {(row["subject_id"], row["money"]): row["statement_date"] for row in rows}

    async def insert_lines(self, statement: Statement, lines: Iterable[StatementLine]) -> int:
        """Store lines; return how many were not there."""
        return await self._tx.execute(
            "insert_lines", statement.statement_date, statement.import_id, *columns(lines, 8)
        )

    async def save_received(self, statement: Statement) -> None:
        """Store what has been received, and what it states."""
        await self._tx.execute(
            "save_received",
            statement.statement_date,
            statement.state,
            statement.problem,
            statement.last_line,
            *statement.totals,
            *_stated(statement),
            RECEIVING_LEASE,
        )

    async def list_due_days(self, first: date, last: date, limit: int) -> list[date]:
        """Days whose statement the platform has still to tell, the oldest first."""
        rows = await self._tx.fetch("list_due_days", first, last, limit, FILE_PATIENCE)
        return [row["statement_date"] for row in rows]

    async def count_unreconciled(self, first: date, last: date) -> tuple[int, int]:
        """Days without a compared statement, and open differences (up to MOST_COUNTED)."""
        row = await self._tx.fetchrow("count_unreconciled", first, last, MOST_COUNTED)
        assert row is not None
        return row["days"], row["differences"]

    async def lease(
        self, statement_date: date, first_pause: timedelta, longest_pause: timedelta
    ) -> Statement | None:
        """The day's statement to receive, None when it is not due.

        Nobody else gets it for the pause, which doubles each time. By the database's clock.
        """
        row = await self._tx.fetchrow(
            "lease_statement", statement_date, first_pause, longest_pause, FILE_PATIENCE
        )
        return _statement(row) if row else None

    async def lock_comparing(self) -> Statement | None:
        """A statement that is to be compared and that nobody has now."""
        row = await self._tx.fetchrow("lock_comparing")
        return _statement(row) if row else None

    async def save_compared(self, statement: Statement) -> None:
        """Store how far it has been compared."""
        await self._tx.execute(
            "save_compared",
            statement.statement_date,
            statement.compared_line,
            statement.compared_until,
            *statement.matched,
            statement.state,
            statement.compared_at,
        )


def _begun(new: Statement) -> Sequence[object]:
    return (
        new.statement_date,
        new.import_id,
        new.source,
        new.source_name,
        new.started_by,
        new.started_at,
        *_stated(new),
    )


def _stated(statement: Statement) -> Sequence[int | None]:
    return statement.stated or (None,) * len(Totals._fields)


def _statement(row: Record) -> Statement:
    stated = None if row["stated_payments"] is None else _totals(row, "stated_")
    import_id: UUID = row["import_id"]
    return Statement(
        statement_date=row["statement_date"],
        import_id=import_id,
        source=StatementSource(row["source"]),
        source_name=row["source_name"],
        state=StatementState(row["state"]),
        started_by=row["started_by"],
        started_at=row["started_at"],
        stated=stated,
        problem=row["problem"],
        last_line=row["last_line"],
        totals=_totals(row),
        compared_line=row["compared_line"],
        compared_until=row["compared_until"],
        matched=_totals(row, "matched_"),
        compared_at=row["compared_at"],
    )


def _totals(row: Record, prefix: str = "") -> Totals:
    return Totals(*(row[prefix + name] for name in Totals._fields))
