"""The sandbox's daily statements: what its payment platform took and gave back in a day.

Read over a connection of its own, so that a statement is of one moment while payments go on.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from pathlib import Path
from zoneinfo import ZoneInfo

from zikao_kit.clock import Clock
from zikao_kit.errors import INVALID_REQUEST, NOT_FOUND, DomainError, FieldProblem

LINES_PER_PAGE = 1000

_LINES = """
SELECT '' AS refund_id, payment_id, order_id, payment_code,
  coalesce(falsified.amount_fen, payment.amount_fen) AS amount_fen, paid_at AS moved_at,
  payment.rowid AS number
FROM payment JOIN payment_order USING (order_id)
LEFT JOIN falsified ON falsified.subject_id = payment.payment_id
WHERE paid_at >= :begins AND paid_at < :ends AND falsified.amount_fen IS NOT 0
UNION ALL
SELECT refund_id, payment_id, order_id, payment_code,
  coalesce(falsified.amount_fen, refund.amount_fen), refunded_at, refund.rowid
FROM refund JOIN payment USING (payment_id) JOIN payment_order USING (order_id)
LEFT JOIN falsified ON falsified.subject_id = refund.refund_id
WHERE refunded_at >= :begins AND refunded_at < :ends AND falsified.amount_fen IS NOT 0
"""
_PAGE = f"""
SELECT refund_id, payment_id, order_id, payment_code, amount_fen, moved_at
FROM ({_LINES})
ORDER BY refund_id <> '', moved_at, number
LIMIT -1 OFFSET :after
"""  # noqa: S608 - constants
_TOTALS = f"""
SELECT count(*) FILTER (WHERE refund_id = ''),
  coalesce(sum(amount_fen) FILTER (WHERE refund_id = ''), 0),
  count(*) FILTER (WHERE refund_id <> ''),
  coalesce(sum(amount_fen) FILTER (WHERE refund_id <> ''), 0)
FROM ({_LINES})
"""  # noqa: S608 - constants


@dataclass(frozen=True)
class Line:
    """One line: a refund when it has a `refund_id`, else a payment; the amount in fen."""

    number: int
    refund_id: str
    payment_id: str
    order_id: str
    payment_code: str
    amount_fen: int
    moved_at: datetime


@dataclass(frozen=True)
class Totals:
    """What a day adds up to, in fen."""

    payments: int
    payments_fen: int
    refunds: int
    refunds_fen: int


class Statements:
    """Statements of the days that have ended."""

    def __init__(self, path: Path, clock: Clock, zone: ZoneInfo) -> None:
        """`path`: the platform's file; days begin at midnight in `zone`."""
        self._path = path
        self._clock = clock
        self._zone = zone

    def pages(self, statement_date: str, after_line: int) -> Iterator[list[Line] | Totals]:
        """Lines behind one, in pages, then the totals. INVALID_REQUEST, NOT_FOUND."""
        bounds = self._bounds(statement_date)
        with closing(sqlite3.connect(self._path, isolation_level=None)) as db:
            db.execute("BEGIN")  # what is read from now on is of one moment
            numbers = count(after_line + 1)
            found = db.execute(_PAGE, bounds | {"after": after_line})
            while rows := found.fetchmany(LINES_PER_PAGE):
                yield [_line(next(numbers), row) for row in rows]
            yield Totals(*db.execute(_TOTALS, bounds).fetchone())

    def _bounds(self, statement_date: str) -> dict[str, float]:
        try:
            day = date.fromisoformat(statement_date)
        except ValueError:
            problem = FieldProblem("statement_date", "日期不正确")
            raise DomainError(INVALID_REQUEST, fields=[problem]) from None
        begins = datetime.combine(day, time(), self._zone)
        ends = datetime.combine(day + timedelta(days=1), time(), self._zone)
        if self._clock.now() < ends:
            raise DomainError(NOT_FOUND)
        return {"begins": begins.timestamp(), "ends": ends.timestamp()}


def _line(number: int, row: tuple[str, str, str, str, int, float]) -> Line:
    return Line(number, *row[:5], datetime.fromtimestamp(row[5], UTC))
