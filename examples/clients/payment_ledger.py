"""What the example of a payment platform remembers: orders, payments and refunds, in SQLite."""

from __future__ import annotations

import secrets
import sqlite3
import uuid
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from zikao.payment.v1 import payment_platform_service_pb2 as pb

# A statement's day is the province's, whatever zone the machines are in.
PROVINCE = ZoneInfo("Asia/Shanghai")
TABLES = """
CREATE TABLE IF NOT EXISTS payment_order (
  order_id TEXT PRIMARY KEY, code TEXT UNIQUE NOT NULL, amount_fen INTEGER NOT NULL,
  pay_before TEXT NOT NULL, is_closed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS payment (
  payment_id TEXT PRIMARY KEY, order_id TEXT NOT NULL REFERENCES payment_order,
  amount_fen INTEGER NOT NULL, paid_at TEXT NOT NULL, is_told INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS refund (
  refund_id TEXT PRIMARY KEY, payment_id TEXT NOT NULL REFERENCES payment,
  amount_fen INTEGER NOT NULL, refunded_at TEXT NOT NULL
);
"""


class NotThere(LookupError):  # noqa: N818 - says what is so
    """There is no such order or payment, or it may not be paid."""


class Other(ValueError):  # noqa: N818 - says what is so
    """The id means something else already."""


class Ledger:
    """One method for each thing that happens; each is one transaction."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)
        self._database.row_factory = sqlite3.Row
        self._database.executescript(TABLES)

    def open_order(self, order_id: str, amount_fen: int, pay_before: datetime) -> str:
        """The code to pay it with, the same each time."""
        with self._database as database:
            code = f"{secrets.randbelow(10**20):020}"
            database.execute(
                "INSERT INTO payment_order (order_id, code, amount_fen, pay_before)"
                " VALUES (?, ?, ?, ?) ON CONFLICT (order_id) DO NOTHING",
                (order_id, code, amount_fen, pay_before.isoformat()),
            )
        found = self._database.execute(
            "SELECT code FROM payment_order WHERE order_id = ?", (order_id,)
        )
        return str(found.fetchone()["code"])

    def order(self, order_id: str) -> tuple[bool, list[pb.Payment]]:
        """Whether it is closed, and its payments. NotThere."""
        row = self._database.execute(
            "SELECT is_closed FROM payment_order WHERE order_id = ?", (order_id,)
        ).fetchone()
        if row is None:
            raise NotThere(order_id)
        payments = self._database.execute("SELECT * FROM payment WHERE order_id = ?", (order_id,))
        return bool(row["is_closed"]), [payment_to_pb(payment) for payment in payments]

    def close_order(self, order_id: str) -> None:
        """Nobody pays it any more."""
        with self._database as database:
            database.execute(
                "UPDATE payment_order SET is_closed = 1 WHERE order_id = ?", (order_id,)
            )

    def pay(self, code: str, now: datetime) -> str:
        """Take the money of an open order; the payment's id. NotThere."""
        with self._database as database:
            order = database.execute(
                "SELECT * FROM payment_order WHERE code = ? AND NOT is_closed", (code,)
            ).fetchone()
            if order is None or datetime.fromisoformat(order["pay_before"]) <= now:
                raise NotThere(code)
            payment_id = f"P{uuid.uuid4().hex}"
            database.execute(
                "INSERT INTO payment (payment_id, order_id, amount_fen, paid_at)"
                " VALUES (?, ?, ?, ?)",
                (payment_id, order["order_id"], order["amount_fen"], now.isoformat()),
            )
            return payment_id

    def refund(self, refund_id: str, payment_id: str, amount_fen: int, now: datetime) -> datetime:
        """When it went back, the same moment each time. NotThere, Other."""
        with self._database as database:
            if not database.execute(
                "SELECT 1 FROM payment WHERE payment_id = ? AND amount_fen >= ?",
                (payment_id, amount_fen),
            ).fetchone():
                raise NotThere(payment_id)
            database.execute(
                "INSERT INTO refund VALUES (?, ?, ?, ?) ON CONFLICT (refund_id) DO NOTHING",
                (refund_id, payment_id, amount_fen, now.isoformat()),
            )
        row = self._database.execute(
            "SELECT * FROM refund WHERE refund_id = ?", (refund_id,)
        ).fetchone()
        if (row["payment_id"], row["amount_fen"]) != (payment_id, amount_fen):
            raise Other(refund_id)
        return datetime.fromisoformat(row["refunded_at"])

    def untold(self) -> list[pb.Payment]:
        """Payments of which enrollment has not said that it knows them."""
        rows = self._database.execute("SELECT * FROM payment WHERE NOT is_told ORDER BY paid_at")
        return [payment_to_pb(row) for row in rows]

    def told(self, payment_id: str) -> None:
        """Enrollment has stored it for good."""
        with self._database as database:
            database.execute("UPDATE payment SET is_told = 1 WHERE payment_id = ?", (payment_id,))

    def today(self, now: datetime) -> date:
        """The province's day."""
        return now.astimezone(PROVINCE).date()

    def statement(self, day: date) -> list[pb.StatementLine]:
        """All that has moved on a day, numbered by time: the same whenever it is asked for."""
        moves: list[tuple[datetime, str, pb.StatementLine]] = []
        for row in self._database.execute(
            "SELECT payment.*, code FROM payment JOIN payment_order USING (order_id)"
        ):
            line = pb.StatementLine(payment_code=row["code"], payment=payment_to_pb(row))
            moves.append((datetime.fromisoformat(row["paid_at"]), row["payment_id"], line))
        for row in self._database.execute(
            "SELECT refund.*, payment.order_id, code FROM refund"
            " JOIN payment USING (payment_id) JOIN payment_order USING (order_id)"
        ):
            line = pb.StatementLine(payment_code=row["code"], refund=refund_to_pb(row))
            moves.append((datetime.fromisoformat(row["refunded_at"]), row["refund_id"], line))
        of_day = sorted((move for move in moves if self.today(move[0]) == day), key=lambda m: m[:2])
        lines = [line for _, _, line in of_day]
        for number, line in enumerate(lines, start=1):
            line.line = number
        return lines


def payment_to_pb(row: sqlite3.Row) -> pb.Payment:
    """As the contract has it."""
    payment = pb.Payment(
        payment_id=row["payment_id"], order_id=row["order_id"], amount_fen=row["amount_fen"]
    )
    payment.paid_at.FromDatetime(datetime.fromisoformat(row["paid_at"]).astimezone(UTC))
    return payment


def refund_to_pb(row: sqlite3.Row) -> pb.RefundMade:
    """As the contract has it."""
    refund = pb.RefundMade(
        refund_id=row["refund_id"],
        payment_id=row["payment_id"],
        order_id=row["order_id"],
        amount_fen=row["amount_fen"],
    )
    refund.refunded_at.FromDatetime(datetime.fromisoformat(row["refunded_at"]).astimezone(UTC))
    return refund
