"""Unpaid orders by the ten thousand, as submissions would have left them."""

from __future__ import annotations

from datetime import datetime

import asyncpg

# Candidate n has the id UUID(int=n), as everywhere in tests; an order's id is a hash of n: the
# sweep finds its rows all over the table.
_HOLDERS = """
CREATE TEMPORARY TABLE holder ON COMMIT DROP AS
SELECT lpad(to_hex(n), 32, '0')::uuid AS candidate_id, md5('order ' || n)::uuid AS order_id
FROM generate_series($1::integer, $2::integer) AS n
"""
_ORDERS = """
INSERT INTO enrollment.enrollment_order (order_id, session_code, candidate_id, county_code, slots,
    course_codes, state, fee_fen, held_until, created_at)
SELECT order_id, $1, candidate_id, $2, '{1,2}', '{00001,00003}', 'held', 7000, $3, $4 FROM holder
"""
_REST = (
    """INSERT INTO enrollment.enrollment
    SELECT session_code, candidate_id, county_code, bit_or(1::bigint << (slot - 1)), count(*)
    FROM enrollment.sitting JOIN holder USING (order_id, candidate_id)
    GROUP BY session_code, candidate_id, county_code""",
    """INSERT INTO enrollment.order_event (order_id, to_state, action, actor, at)
    SELECT order_id, state, 'submit', candidate_id::text, created_at
    FROM enrollment.enrollment_order JOIN holder USING (order_id, candidate_id)""",
    """UPDATE enrollment.seat_ledger AS ledger SET held = held + seated.people
    FROM (
        SELECT session_code, county_code, slot, count(*) AS people
        FROM enrollment.sitting JOIN holder USING (order_id) GROUP BY 1, 2, 3
    ) AS seated
    WHERE (ledger.session_code, ledger.county_code, ledger.slot)
        = (seated.session_code, seated.county_code, seated.slot)""",
)


# As candidates leave them who asked for a code and did not pay. Every `share`-th hold.
_PAYING = """CREATE TEMPORARY TABLE payer ON COMMIT DROP AS
SELECT order_id, candidate_id FROM holder
WHERE $1 > 0 AND ('x' || substr(order_id::text, 1, 7))::bit(28)::integer % $1 = 0
"""
_ASKED = (
    """UPDATE enrollment.enrollment_order SET state = 'paying'
    WHERE order_id IN (SELECT order_id FROM payer)""",
    """INSERT INTO enrollment.payment_order
        (payment_order_id, order_id, amount_fen, payment_code, state, opened_at, next_query_at)
    SELECT gen_random_uuid(), order_id, 7000, 'code', 'open', now(), now() + interval '1 day'
    FROM payer""",
    """INSERT INTO enrollment.order_event (order_id, from_state, to_state, action, actor, at)
    SELECT order_id, 'held', 'paying', 'open_payment', candidate_id::text, now() FROM payer""",
)


async def seed_holds(
    dsn: str,
    numbers: range,
    *,
    session_code: str,
    county_code: str,
    held_until: datetime,
    created_at: datetime,
    one_pays_in: int = 0,
) -> None:
    """Hold two seats for each of these candidates, who are there and have none.

    `one_pays_in`: one in so many has asked for a payment code, none for 0.
    """
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    try:
        async with connection.transaction():
            await connection.execute(_HOLDERS, numbers.start, numbers.stop - 1)
            await connection.execute(_ORDERS, session_code, county_code, held_until, created_at)
            for statement in _REST:
                await connection.execute(statement)
            await connection.execute(_PAYING, one_pays_in)
            for statement in _ASKED:
                await connection.execute(statement)
        for table in ("enrollment_order", "enrollment", "order_event"):
            await connection.execute(f"VACUUM ANALYZE enrollment.{table}")
    finally:
        await connection.close()
