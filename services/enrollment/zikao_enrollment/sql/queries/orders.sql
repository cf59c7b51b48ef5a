-- name: get_order
SELECT order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, payment_code, created_at
FROM enrollment.enrollment_order
WHERE order_id = $1;

-- name: lock_order
SELECT order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, payment_code, created_at
FROM enrollment.enrollment_order
WHERE order_id = $1
FOR UPDATE;

-- name: list_orders
SELECT order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, payment_code, created_at
FROM enrollment.enrollment_order
WHERE session_code = $1
    AND candidate_id = $2
    AND ($3::timestamptz IS NULL OR (created_at, order_id) < ($3, $4::uuid))
ORDER BY created_at DESC, order_id DESC
LIMIT $5;

-- name: list_refunds
SELECT payment.order_id, refund.refund_id, refund.amount_fen, refund.refunded_at
FROM enrollment.refund
JOIN enrollment.payment ON payment.payment_id = refund.payment_id
WHERE payment.order_id = ANY ($1::uuid[])
ORDER BY refund.requested_at, refund.refund_id;

-- name: update_order
UPDATE enrollment.enrollment_order
SET state = $2, county_code = $3, updated_at = $4
WHERE order_id = $1;

-- name: set_payment_code
UPDATE enrollment.enrollment_order SET payment_code = $2 WHERE order_id = $1;

-- name: delete_sittings
DELETE FROM enrollment.sitting WHERE order_id = $1;

-- name: delete_empty_enrollment
DELETE FROM enrollment.enrollment
WHERE session_code = $1
    AND candidate_id = $2
    AND NOT EXISTS (
        SELECT FROM enrollment.sitting WHERE sitting.session_code = $1 AND sitting.candidate_id = $2
    );

-- name: list_confirmed_courses
SELECT sitting.course_code, sitting.slot
FROM enrollment.sitting
JOIN enrollment.enrollment_order USING (order_id)
WHERE sitting.session_code = $1
    AND sitting.candidate_id = $2
    AND enrollment_order.state = 'confirmed'
ORDER BY sitting.slot;

-- name: expire_orders
WITH due AS (
    SELECT order_id, state
    FROM enrollment.enrollment_order
    WHERE state IN ('held', 'paying') AND held_until <= $1
    ORDER BY held_until
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.enrollment_order
SET state = 'closing', updated_at = $1
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id, due.state AS from_state;

-- Claims orders of a state for one worker: updated_at is its lease.
-- name: lease_orders
WITH due AS (
    SELECT order_id
    FROM enrollment.enrollment_order
    WHERE state = $1 AND updated_at <= $2
    ORDER BY updated_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.enrollment_order
SET updated_at = $3
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id;
