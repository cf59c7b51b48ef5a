"""A session after its rush: orders by the hundred thousand, paid, written by SQL alone."""

from __future__ import annotations

import asyncpg

_COUNTIES = 183
# Order n is of candidate n; every 50th was released, every 200th is held. 2 to 4 courses each, in
# slots 1, 2 …; a few counties have most of them.
_ORDERS = """
INSERT INTO enrollment.enrollment_order
    (order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, created_at)
SELECT md5('order' || n)::uuid, '22.1', md5('candidate' || n)::uuid,
    (510100 + floor(183 * power((n::bigint * 7919 % 1000003) / 1000003.0, 3)))::integer::text,
    (ARRAY[1, 2, 3, 4])[: 2 + n % 3], (ARRAY['00001', '00003', '00005', '00007'])[: 2 + n % 3],
    CASE WHEN n % 50 = 0 THEN 'released' WHEN n % 200 = 1 THEN 'held' ELSE 'confirmed' END,
    3500 * (2 + n % 3), now() + interval '1 hour', now() - interval '1 hour'
FROM generate_series(1, {orders}) AS n
"""
_REST = (
    """
INSERT INTO enrollment.enrollment
SELECT session_code, candidate_id, county_code, bit_or(1::bigint << (slot - 1)), count(*)
FROM enrollment.sitting
GROUP BY session_code, candidate_id, county_code
""",
    """
INSERT INTO enrollment.order_event (order_id, from_state, to_state, action, actor, at)
SELECT order_id, move.from_state, coalesce(move.to_state, state), 'seeded', 'seed', created_at
FROM enrollment.enrollment_order
CROSS JOIN (VALUES (1, NULL, 'held'), (2, 'held', 'paying'), (3, 'paying', NULL))
    AS move (number, from_state, to_state)
WHERE state <> 'held' OR move.number = 1
ORDER BY move.number
""",
    """
INSERT INTO enrollment.payment_order
    (payment_order_id, order_id, amount_fen, payment_code, state, opened_at)
SELECT gen_random_uuid(), order_id, fee_fen, row_number() OVER (), 'closed', created_at
FROM enrollment.enrollment_order WHERE state <> 'held'
""",
    """
INSERT INTO enrollment.payment
    (payment_id, order_id, amount_fen, paid_at, received_at, disposition, flag, payment_order_id)
SELECT lpad(payment_code, 20, '0'), order_id, fee_fen, created_at, created_at,
    CASE enrollment_order.state WHEN 'confirmed' THEN 'applied' ELSE 'refund' END,
    CASE enrollment_order.state WHEN 'released' THEN 'late' END, payment_order_id
FROM enrollment.enrollment_order JOIN enrollment.payment_order USING (order_id)
WHERE enrollment_order.state <> 'held'
""",
    """
INSERT INTO enrollment.refund
    (refund_id, payment_id, amount_fen, requested_at, next_attempt_at, attempts, refunded_at)
SELECT gen_random_uuid(), payment_id, amount_fen, received_at, received_at, 1, received_at
FROM enrollment.payment WHERE disposition = 'refund'
""",
    """
INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at)
SELECT refund_id, 'requested', state, 'refund', 'payment-platform', refunded_at
FROM enrollment.refund
""",
    # An EnrollmentEvent as protobuf writes it.
    r"""
INSERT INTO enrollment.outbox (event_key, payload)
SELECT concat('22.1:', candidate_id), '\x1204'::bytea || '22.1'::bytea || '\x1a24'::bytea
    || candidate_id::text::bytea || '\x2206'::bytea || county_code::bytea
    || string_agg('\x2a090a05'::bytea || course_code::bytea || '\x10'::bytea
        || set_byte('\x00', 0, slot), ''::bytea ORDER BY slot)
FROM enrollment.sitting
WHERE state = 'confirmed'
GROUP BY candidate_id, county_code
""",
    """
INSERT INTO enrollment.seat_ledger (session_code, county_code, slot, capacity, held, confirmed)
SELECT '22.1', county_code, slot, 1000000, count(*) FILTER (WHERE state = 'held'),
    count(*) FILTER (WHERE state = 'confirmed')
FROM enrollment.sitting
GROUP BY county_code, slot
ON CONFLICT (session_code, county_code, slot)
    DO UPDATE SET held = excluded.held, confirmed = excluded.confirmed
""",
    "VACUUM ANALYZE",
)


async def seed_orders(connection: asyncpg.Connection[asyncpg.Record], orders: int) -> None:
    """Fill the tables of an applied session 22.1; nothing is violated."""
    await connection.execute(_ORDERS.format(orders=orders))
    for statement in _REST:
        await connection.execute(statement)
