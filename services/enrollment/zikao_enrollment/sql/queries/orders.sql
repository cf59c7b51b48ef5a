-- What orders have in common is given once: order n is one of kind $4[n]. Each is of another
-- candidate. Of these only $14 may be bound already, the others are bound here, for less. Who is bound
-- to another county, or has a slot already, is refused by NOT NULL or CHECK.
-- name: insert_held_orders
WITH kind AS MATERIALIZED (
    SELECT number, county_code, slots::integer[] AS slots, course_codes::text[] AS course_codes,
        fee_fen, slot_set
    FROM unnest($5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[]) WITH ORDINALITY
        AS kind (county_code, slots, course_codes, fee_fen, slot_set, number)
), given AS MATERIALIZED (
    SELECT order_id, candidate_id, county_code, slots, course_codes, fee_fen, slot_set
    FROM unnest($2::uuid[], $3::uuid[], $4::integer[]) AS given (order_id, candidate_id, number)
    JOIN kind USING (number)
), orders AS (
    INSERT INTO enrollment.enrollment_order
        (order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
        held_until, created_at)
    SELECT order_id, $1, candidate_id, county_code, slots, course_codes, $10, fee_fen, $12, $13
    FROM given
), enrollments AS (
    INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code, slot_set, sittings)
    SELECT $1, candidate_id, county_code, slot_set, cardinality(slots) FROM given
    WHERE candidate_id <> ALL ($14::uuid[])
), additions AS (
    INSERT INTO enrollment.enrollment AS bound
        (session_code, candidate_id, county_code, slot_set, sittings)
    SELECT $1, candidate_id, county_code, slot_set, cardinality(slots) FROM given
    WHERE candidate_id = ANY ($14::uuid[])
    ON CONFLICT (session_code, candidate_id) DO UPDATE SET
        county_code = CASE excluded.county_code WHEN bound.county_code THEN bound.county_code END,
        slot_set = bound.slot_set | excluded.slot_set,
        sittings = bound.sittings + excluded.sittings
)
INSERT INTO enrollment.order_event (order_id, from_state, to_state, action, actor, at)
SELECT order_id, NULL, $10, $11, candidate_id::text, $13 FROM given;

-- name: insert_order_events
INSERT INTO enrollment.order_event (order_id, from_state, to_state, action, actor, at)
SELECT given.order_id, given.from_state, given.to_state, given.action, given.actor, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS given (order_id, from_state, to_state, action, actor);

-- name: list_orders
SELECT wanted.order_id, session_code, candidate_id, county_code, slots, course_codes,
    wanted.state, fee_fen, held_until, payment_code, created_at
FROM enrollment.enrollment_order AS wanted
LEFT JOIN enrollment.payment_order
    ON payment_order.order_id = wanted.order_id AND payment_order.state = 'open'
WHERE session_code = $1
    AND candidate_id = $2
    AND ($3::timestamptz IS NULL OR (created_at, wanted.order_id) < ($3, $4::uuid))
ORDER BY created_at DESC, wanted.order_id DESC
LIMIT $5;

-- Before candidates and seats, in the order of ids, as everybody locks several orders.
-- name: lock_orders
SELECT order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, created_at
FROM enrollment.enrollment_order
WHERE order_id = ANY ($1::uuid[])
ORDER BY order_id
FOR UPDATE;

-- name: update_orders
UPDATE enrollment.enrollment_order
SET county_code = given.county_code, slots = given.slots::integer[],
    course_codes = given.course_codes::text[], state = given.state, fee_fen = given.fee_fen
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[])
    AS given (order_id, county_code, slots, course_codes, state, fee_fen)
WHERE enrollment_order.order_id = given.order_id;

-- name: begin_closing
UPDATE enrollment.enrollment_order
SET state = 'closing', lease_until = clock_timestamp() + $2::interval
WHERE order_id = $1;

-- Deadlines go by the caller's clock ($2), leases by the database's. Session by session, and with
-- the condition of the index of deadlines: so that is used.
-- name: expire_orders
WITH due AS (
    SELECT overdue.order_id
    FROM enrollment.session
    CROSS JOIN LATERAL (
        SELECT order_id
        FROM enrollment.enrollment_order
        WHERE session_code = session.session_code
            AND state IN ('held', 'paying', 'closing')
            AND state = $1
            AND held_until <= $2
        ORDER BY held_until
        LIMIT $4
        FOR UPDATE SKIP LOCKED
    ) AS overdue
    LIMIT $4
)
UPDATE enrollment.enrollment_order
SET state = 'closing', lease_until = clock_timestamp() + $3::interval
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id;

-- name: lease_closing_orders
WITH due AS (
    SELECT order_id
    FROM enrollment.enrollment_order
    WHERE state = 'closing' AND lease_until <= statement_timestamp()
    ORDER BY lease_until
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.enrollment_order
SET lease_until = clock_timestamp() + $1::interval
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id;

-- Where tracing is on, of submissions that are kept.
-- name: keep_order_traces
INSERT INTO enrollment.order_trace (order_id, traceparent)
SELECT kept.order_id, kept.traceparent
FROM unnest($1::uuid[], $2::text[]) AS kept (order_id, traceparent)
ON CONFLICT (order_id) DO UPDATE SET traceparent = excluded.traceparent;

-- name: take_order_traces
DELETE FROM enrollment.order_trace
WHERE order_id = ANY ($1::uuid[])
RETURNING order_id, traceparent;

-- name: forget_order_traces
DELETE FROM enrollment.order_trace WHERE kept_at < clock_timestamp() - $1::interval;
