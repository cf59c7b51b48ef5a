-- The county of who has another one stays, and refuses the sittings then (sitting_county).
-- name: insert_held_orders
WITH given AS MATERIALIZED (
    SELECT order_id, candidate_id, county_code, slots::integer[] AS slots,
        course_codes::text[] AS course_codes, fee_fen
    FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::bigint[])
        AS given (order_id, candidate_id, county_code, slots, course_codes, fee_fen)
), orders AS (
    INSERT INTO enrollment.enrollment_order
        (order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
        held_until, created_at)
    SELECT order_id, $1, candidate_id, county_code, slots, course_codes, $8, fee_fen, $10, $11
    FROM given
), enrollments AS (
    INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code)
    SELECT $1, candidate_id, county_code FROM given
    ON CONFLICT (session_code, candidate_id) DO NOTHING
), sittings AS (
    INSERT INTO enrollment.sitting
        (session_code, candidate_id, slot, order_id, course_code, county_code)
    SELECT $1, given.candidate_id, course.slot, given.order_id, course.course_code,
        given.county_code
    FROM given, unnest(given.slots, given.course_codes) AS course (slot, course_code)
)
INSERT INTO enrollment.order_event (order_id, from_state, to_state, action, actor, at)
SELECT order_id, NULL, $8, $9, candidate_id::text, $11 FROM given;

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
