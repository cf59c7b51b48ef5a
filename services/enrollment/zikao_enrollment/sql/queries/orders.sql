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

-- In the order of ids, as everybody locks several orders.
-- name: lock_orders
SELECT order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, payment_code, created_at
FROM enrollment.enrollment_order
WHERE order_id = ANY ($1::uuid[])
ORDER BY order_id
FOR UPDATE;

-- name: update_orders
UPDATE enrollment.enrollment_order
SET state = $2, updated_at = $3
WHERE order_id = ANY ($1::uuid[]);

-- name: update_order
UPDATE enrollment.enrollment_order
SET state = $2, county_code = $3, updated_at = $4
WHERE order_id = $1;

-- name: save_payment_code
UPDATE enrollment.enrollment_order
SET payment_code = $2, updated_at = $3
WHERE order_id = $1;

-- name: delete_sittings
DELETE FROM enrollment.sitting WHERE order_id = ANY ($1::uuid[]);

-- name: delete_empty_enrollments
DELETE FROM enrollment.enrollment
WHERE session_code = $1
    AND candidate_id = ANY ($2::uuid[])
    AND NOT EXISTS (
        SELECT FROM enrollment.sitting
        WHERE sitting.session_code = enrollment.session_code
            AND sitting.candidate_id = enrollment.candidate_id
    );

-- name: list_confirmed_courses
SELECT sitting.course_code, sitting.slot
FROM enrollment.sitting
JOIN enrollment.enrollment_order USING (order_id)
WHERE sitting.session_code = $1
    AND sitting.candidate_id = $2
    AND enrollment_order.state = 'confirmed'
ORDER BY sitting.slot;

-- The first condition is that of the index of deadlines.
-- name: expire_orders
WITH due AS (
    SELECT order_id
    FROM enrollment.enrollment_order
    WHERE state IN ('held', 'paying', 'closing') AND state = $1 AND held_until <= $2
    ORDER BY held_until
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.enrollment_order
SET state = 'closing', updated_at = $2
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id;

-- Takes over closing orders that nobody has touched since $1: updated_at is the lease.
-- name: lease_closing_orders
WITH due AS (
    SELECT order_id
    FROM enrollment.enrollment_order
    WHERE state = 'closing' AND updated_at <= $1
    ORDER BY updated_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.enrollment_order
SET updated_at = $2
FROM due
WHERE enrollment_order.order_id = due.order_id
RETURNING due.order_id;
