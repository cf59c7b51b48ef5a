"""Payments and a statement of a day by the thousand, written by SQL: a day as a rush leaves it."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
from support.enrollment_sessions import FEE_FEN

_SETTINGS = "SET statement_timeout = 0"
# Payment n is of order n, which the platform knows by the same id, made at $2 plus n times $3;
# the counties take turns.
_ORDERS = """
INSERT INTO enrollment.enrollment_order
    (order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, created_at)
SELECT lpad(to_hex(n), 32, '0')::uuid, '22.1', lpad(to_hex(n), 32, '0')::uuid,
    (510100 + n % 183)::text, '{1}', '{00001}', 'confirmed', $3, $2, $2
FROM generate_series(1, $1::integer) AS n
"""
_PAYMENT_ORDERS = """
INSERT INTO enrollment.payment_order
    (payment_order_id, order_id, amount_fen, payment_code, state, opened_at)
SELECT order_id, order_id, fee_fen, order_id::text, 'closed', created_at
FROM enrollment.enrollment_order
"""
_PAYMENTS = """
INSERT INTO enrollment.payment
    (payment_id, payment_order_id, order_id, amount_fen, paid_at, received_at, disposition)
SELECT 'P' || md5(n::text), lpad(to_hex(n), 32, '0')::uuid, lpad(to_hex(n), 32, '0')::uuid, $4,
    $2::timestamptz + n * $3::interval,
    $2::timestamptz + n * $3::interval, 'applied'
FROM generate_series(1, $1::integer) AS n
"""
# What confirmed orders have besides.
_SEATS = (
    """INSERT INTO enrollment.enrollment
    SELECT session_code, candidate_id, county_code, bit_or(1::bigint << (slot - 1)), count(*)
    FROM enrollment.sitting
    GROUP BY session_code, candidate_id, county_code""",
    """INSERT INTO enrollment.order_event (order_id, to_state, action, actor, at)
    SELECT order_id, state, 'pay', 'payment-platform', created_at
    FROM enrollment.enrollment_order""",
    """INSERT INTO enrollment.seat_ledger (session_code, county_code, slot, capacity, confirmed)
    SELECT session_code, county_code, slot, 2 * count(*), count(*)
    FROM enrollment.sitting GROUP BY session_code, county_code, slot""",
)
_STATEMENT = """
INSERT INTO enrollment.statement
    (statement_date, import_id, source, source_name, state, started_by, started_at,
    stated_payments, stated_payments_fen, stated_refunds, stated_refunds_fen, last_line, payments,
    payments_fen)
SELECT $1, $2, 'file', 'made up', 'comparing', 'test', now(), $3, $4, 0, 0, $3, $3, $4
"""
_LINES = """
INSERT INTO enrollment.statement_line
    (statement_date, import_id, line, money, subject_id, payment_id, order_id, amount_fen, moved_at,
    payment_code)
SELECT $1, $2, row_number() OVER (ORDER BY paid_at), 'payment', payment_id, payment_id,
    payment_order_id, amount_fen, paid_at, ''
FROM enrollment.payment
"""

_REFUSED = """
WITH came AS (
    INSERT INTO enrollment.payment (payment_id, payment_order_id, order_id, amount_fen, paid_at,
        received_at, disposition, flag)
    VALUES ($1::uuid::text, $1, $2, 5, $3, $3, 'refund', 'amount_differs')
), owed AS (
    INSERT INTO enrollment.refund
        (refund_id, payment_id, amount_fen, requested_at, next_attempt_at, refusal)
    VALUES ($1, $1::uuid::text, 5, $3, now() + interval '1 day', 'NOT_FOUND')
)
INSERT INTO enrollment.refund_event (refund_id, to_state, action, actor, at, refusal)
VALUES ($1, 'refused', 'refuse', 'payment-platform', $3, 'NOT_FOUND')
"""


async def insert_payments(
    connection: asyncpg.Connection, count: int, begins_at: datetime, apart: timedelta
) -> None:
    """Orders 1 to `count`, each paid; nobody sits anywhere."""
    await connection.execute(_SETTINGS)
    await connection.execute(_ORDERS, count, begins_at, FEE_FEN)
    await connection.execute(_PAYMENT_ORDERS)
    await connection.execute(_PAYMENTS, count, begins_at, apart, FEE_FEN)
    await connection.execute("ANALYZE")


async def insert_seats(connection: asyncpg.Connection) -> None:
    """A seat for every order."""
    for statement in _SEATS:
        await connection.execute(statement)
    await connection.execute("VACUUM ANALYZE")


async def insert_statement(connection: asyncpg.Connection, day: datetime) -> UUID:
    """A statement of the day that has every payment there is; the import's id."""
    import_id = uuid4()
    count = await connection.fetchval("SELECT count(*)::integer FROM enrollment.payment")
    fen = await connection.fetchval("SELECT sum(amount_fen)::bigint FROM enrollment.payment")
    await connection.execute(_STATEMENT, day.date(), import_id, count, fen)
    await connection.execute(_LINES, day.date(), import_id)
    await connection.execute("ANALYZE enrollment.statement_line")
    return import_id


async def insert_refused_refund(dsn: str, order_id: str | None, at: datetime) -> str:
    """Five fen came for an order, or for none, and do not go back; the refund's id."""
    refund_id = uuid4()
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_REFUSED, refund_id, order_id, at)
    finally:
        await connection.close()
    return str(refund_id)
