"""What the sandbox's payment platform remembers, in one SQLite file.

A commit is in the file before a call is answered, so that a killed process loses nothing: orders,
payments, refunds, and notifications that nobody has answered yet.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

OPEN, PAID, CLOSED = "open", "paid", "closed"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payment_order (
  order_id TEXT PRIMARY KEY, payment_code TEXT NOT NULL UNIQUE, amount_fen INTEGER NOT NULL,
  pay_before REAL NOT NULL, state TEXT NOT NULL CHECK (state IN ('open', 'paid', 'closed'))
) STRICT;
CREATE TABLE IF NOT EXISTS payment (
  payment_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES payment_order,
  amount_fen INTEGER NOT NULL CHECK (amount_fen > 0), paid_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payment_of_order ON payment (order_id);
CREATE TABLE IF NOT EXISTS refund (
  refund_id TEXT PRIMARY KEY, payment_id TEXT NOT NULL REFERENCES payment,
  amount_fen INTEGER NOT NULL CHECK (amount_fen > 0), refunded_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payment_by_time ON payment (paid_at);
CREATE INDEX IF NOT EXISTS refund_by_time ON refund (refunded_at);
CREATE TABLE IF NOT EXISTS falsified (
  subject_id TEXT PRIMARY KEY, amount_fen INTEGER NOT NULL CHECK (amount_fen >= 0)
) STRICT;
CREATE TABLE IF NOT EXISTS answered (
  request_id TEXT PRIMARY KEY, body BLOB NOT NULL, payment_id TEXT REFERENCES payment
) STRICT;
CREATE TABLE IF NOT EXISTS notification (
  number INTEGER PRIMARY KEY, payment_id TEXT NOT NULL REFERENCES payment,
  due_at REAL NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS notification_due ON notification (due_at);
CREATE TABLE IF NOT EXISTS mood (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1), max_delay_seconds REAL NOT NULL,
  copies INTEGER NOT NULL, reorder INTEGER NOT NULL, answer_delay_seconds REAL NOT NULL,
  refused_percent INTEGER NOT NULL, lost_answers_percent INTEGER NOT NULL
) STRICT;
"""
_ORDER = "SELECT order_id, payment_code, amount_fen, pay_before, state FROM payment_order "
_PAYMENT = "SELECT payment_id, order_id, amount_fen, paid_at FROM payment "


@dataclass(frozen=True)
class PaymentOrder:
    """An order as the platform knows it."""

    order_id: str
    payment_code: str
    amount_fen: int
    pay_before: datetime
    state: str


@dataclass(frozen=True)
class Payment:
    """One payment of an order."""

    payment_id: str
    order_id: str
    amount_fen: int
    paid_at: datetime


@dataclass(frozen=True)
class Refund:
    """Money given back; under way until `refunded_at`."""

    refund_id: str
    payment_id: str
    amount_fen: int
    refunded_at: datetime


@dataclass(frozen=True)
class Notification:
    """One word of a payment that has not been answered yet."""

    number: int
    payment: Payment
    attempts: int


@dataclass(frozen=True)
class Behaviour:
    """How badly notifications go out, and calls are answered."""

    max_delay_seconds: float = 0.0
    copies: int = 1
    reorder: bool = False
    answer_delay_seconds: float = 0.0
    refused_percent: int = 0
    lost_answers_percent: int = 0

    @property
    def is_bad_at_telling(self) -> bool:
        """Whether word of payments goes out as it should not."""
        return self.max_delay_seconds > 0 or self.copies > 1 or self.reorder or self.is_down

    @property
    def is_down(self) -> bool:
        """Whether nobody gets anything from it."""
        return self.refused_percent == 100


class PaymentStore:
    """The platform's ledger; used from one thread."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        self.spoilt = 0
        """What the behaviour has made worse since it was set: calls, and words of payments."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A commit survives the process, which is what rehearsals kill; not a power cut.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute("PRAGMA foreign_keys = ON")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def order(self, order_id: str) -> PaymentOrder | None:
        """Find an order."""
        return _order(self._db.execute(_ORDER + "WHERE order_id = ?", (order_id,)).fetchone())

    def order_by_code(self, payment_code: str) -> PaymentOrder | None:
        """Find the order a candidate was given the code of."""
        row = self._db.execute(_ORDER + "WHERE payment_code = ?", (payment_code,)).fetchone()
        return _order(row)

    def insert_order(self, order: PaymentOrder) -> None:
        """Keep a new order."""
        self._db.execute(
            "INSERT INTO payment_order VALUES (?, ?, ?, ?, ?)",
            (
                order.order_id,
                order.payment_code,
                order.amount_fen,
                order.pay_before.timestamp(),
                order.state,
            ),
        )

    def set_order_state(self, order_id: str, state: str) -> None:
        """Move an order."""
        self._db.execute("UPDATE payment_order SET state = ? WHERE order_id = ?", (state, order_id))

    def payment(self, payment_id: str) -> Payment | None:
        """Find a payment."""
        row = self._db.execute(_PAYMENT + "WHERE payment_id = ?", (payment_id,)).fetchone()
        return _payment(row) if row else None

    def payments_of(self, order_id: str) -> list[Payment]:
        """All payments of an order, oldest first."""
        rows = self._db.execute(_PAYMENT + "WHERE order_id = ? ORDER BY rowid", (order_id,))
        return [_payment(row) for row in rows]

    def insert_payment(self, payment: Payment) -> None:
        """Keep a payment."""
        self._db.execute(
            "INSERT INTO payment VALUES (?, ?, ?, ?)",
            (
                payment.payment_id,
                payment.order_id,
                payment.amount_fen,
                payment.paid_at.timestamp(),
            ),
        )

    def refund(self, refund_id: str) -> Refund | None:
        """Find a refund."""
        row = self._db.execute(
            "SELECT refund_id, payment_id, amount_fen, refunded_at FROM refund WHERE refund_id = ?",
            (refund_id,),
        ).fetchone()
        return Refund(row[0], row[1], row[2], _moment(row[3])) if row else None

    def refunded_fen(self, payment_id: str) -> int:
        """What has been given back of a payment."""
        total: int = self._db.execute(
            "SELECT coalesce(sum(amount_fen), 0) FROM refund WHERE payment_id = ?", (payment_id,)
        ).fetchone()[0]
        return total

    def insert_refund(self, refund: Refund) -> None:
        """Keep a refund."""
        self._db.execute(
            "INSERT INTO refund VALUES (?, ?, ?, ?)",
            (
                refund.refund_id,
                refund.payment_id,
                refund.amount_fen,
                refund.refunded_at.timestamp(),
            ),
        )

    def falsify(self, subject_id: str, amount_fen: int) -> None:
        """Let statements show another amount of a payment or refund, or with 0 nothing of it."""
        self._db.execute("INSERT OR REPLACE INTO falsified VALUES (?, ?)", (subject_id, amount_fen))

    def answered(self, request_id: str) -> tuple[bytes, str | None] | None:
        """The body a request id was used with, and the payment it made."""
        row = self._db.execute(
            "SELECT body, payment_id FROM answered WHERE request_id = ?", (request_id,)
        ).fetchone()
        return (row[0], row[1]) if row else None

    def insert_answered(self, request_id: str, body: bytes, payment_id: str | None) -> None:
        """Keep what a request id was used for."""
        self._db.execute("INSERT INTO answered VALUES (?, ?, ?)", (request_id, body, payment_id))

    def insert_notification(self, payment_id: str, due_at: float) -> None:
        """Owe the receiver a word of a payment, at a time of the machine's clock."""
        self._db.execute(
            "INSERT INTO notification (payment_id, due_at) VALUES (?, ?)", (payment_id, due_at)
        )

    def last_due_at(self) -> float:
        """When the last notification that is still owed is due; 0 when none is."""
        due_at: float = self._db.execute(
            "SELECT coalesce(max(due_at), 0.0) FROM notification"
        ).fetchone()[0]
        return due_at

    def due_notifications(self, now: float, limit: int, *, reorder: bool) -> list[Notification]:
        """Notifications that are due, in the order of the payments or in none."""
        order = "random()" if reorder else "n.due_at, n.number"
        rows = self._db.execute(
            "SELECT n.number, n.attempts, p.payment_id, p.order_id, p.amount_fen, p.paid_at "  # noqa: S608 - one of two constants
            "FROM notification n JOIN payment p USING (payment_id) "
            f"WHERE n.due_at <= ? ORDER BY {order} LIMIT ?",
            (now, limit),
        )
        return [Notification(row[0], _payment(row[2:]), row[1]) for row in rows]

    def delete_notification(self, number: int) -> None:
        """It was answered."""
        self._db.execute("DELETE FROM notification WHERE number = ?", (number,))

    def postpone_notification(self, number: int, due_at: float) -> None:
        """It was not answered: owe it until later."""
        self._db.execute(
            "UPDATE notification SET attempts = attempts + 1, due_at = ? WHERE number = ?",
            (due_at, number),
        )

    def behaviour(self) -> Behaviour:
        """How notifications go out, and calls are answered."""
        row = self._db.execute(
            "SELECT max_delay_seconds, copies, reorder, answer_delay_seconds, refused_percent,"
            " lost_answers_percent FROM mood"
        ).fetchone()
        return Behaviour(row[0], row[1], bool(row[2]), *row[3:]) if row else Behaviour()

    def set_behaviour(self, behaviour: Behaviour) -> None:
        """Change how notifications go out, and calls are answered."""
        self._db.execute(
            "INSERT OR REPLACE INTO mood VALUES (1, ?, ?, ?, ?, ?, ?)", astuple(behaviour)
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _order(row: tuple[str, str, int, float, str] | None) -> PaymentOrder | None:
    return PaymentOrder(row[0], row[1], row[2], _moment(row[3]), row[4]) if row else None


def _payment(row: tuple[str, str, int, float]) -> Payment:
    return Payment(row[0], row[1], row[2], _moment(row[3]))
