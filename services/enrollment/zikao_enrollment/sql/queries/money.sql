-- In the order of ids: two transactions that bring the same word wait for each other in no circle.
-- name: insert_payments
INSERT INTO enrollment.payment
    (payment_id, payment_order_id, order_id, amount_fen, paid_at, received_at, disposition, flag)
SELECT given.payment_id, given.payment_order_id, given.order_id, given.amount_fen, given.paid_at,
    $8, given.disposition, given.flag
FROM unnest(
    $1::text[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[], $6::text[], $7::text[]
) AS given (payment_id, payment_order_id, order_id, amount_fen, paid_at, disposition, flag)
ORDER BY given.payment_id
ON CONFLICT (payment_id) DO NOTHING;

-- name: find_payments
SELECT payment_id, payment_order_id, amount_fen, paid_at
FROM enrollment.payment
WHERE payment_id = ANY ($1::text[]);

-- name: insert_refunds
INSERT INTO enrollment.refund (refund_id, payment_id, amount_fen, requested_at, next_attempt_at)
SELECT given.refund_id, given.payment_id, given.amount_fen, $4, clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS given (refund_id, payment_id, amount_fen);

-- name: list_refunds
SELECT payment.order_id, refund.refund_id, refund.amount_fen, refund.state, refund.refunded_at,
    refund.refusal
FROM enrollment.refund
JOIN enrollment.payment ON payment.payment_id = refund.payment_id
WHERE payment.order_id = ANY ($1::uuid[])
ORDER BY refund.requested_at, refund.refund_id;

-- After everything else, in the order of ids, as everybody locks several refunds.
-- name: lock_refunds
SELECT refund_id, amount_fen, state, refunded_at, refusal
FROM enrollment.refund
WHERE refund_id = ANY ($1::uuid[])
ORDER BY refund_id
FOR UPDATE;

-- Only while the lease that ends at $2 is the last one, and nobody has asked anew since.
-- name: lock_leased_refund
SELECT refund_id, amount_fen, state, refunded_at, refusal
FROM enrollment.refund
WHERE refund_id = $1 AND next_attempt_at = $2
FOR UPDATE;

-- The pauses double from $1 on, up to $2, or $3 for what was refused; by the database's clock:
-- moving that of a rehearsal hastens nothing and holds nothing up.
-- name: lease_refunds
WITH due AS (
    SELECT refund_id
    FROM enrollment.refund
    WHERE refunded_at IS NULL AND next_attempt_at <= statement_timestamp()
    ORDER BY next_attempt_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.refund
SET next_attempt_at = clock_timestamp()
        + least(
            $1::interval * power(2, least(attempts, 20)),
            CASE WHEN refusal IS NULL THEN $2::interval ELSE $3::interval END
        ),
    attempts = attempts + 1
FROM due
WHERE refund.refund_id = due.refund_id
RETURNING refund.refund_id, refund.payment_id, refund.amount_fen,
    refund.next_attempt_at AS leased_until;

-- name: update_refunds
UPDATE enrollment.refund
SET refunded_at = given.refunded_at, refusal = given.refusal
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[]) AS given (refund_id, refunded_at, refusal)
WHERE refund.refund_id = given.refund_id;

-- name: insert_refund_events
INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at, refusal)
SELECT given.refund_id, given.from_state, given.to_state, given.action, given.actor, $7,
    given.refusal
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS given (refund_id, from_state, to_state, action, actor, refusal);

-- The pauses begin anew, and leases end; by the database's clock.
-- name: ask_for_refund_now
UPDATE enrollment.refund
SET next_attempt_at = clock_timestamp(), attempts = 0
WHERE refund_id = $1;

-- name: find_refund_place
SELECT coalesce(enrollment_order.session_code, '') AS session_code,
    coalesce(enrollment_order.county_code, '') AS county_code
FROM enrollment.refund
JOIN enrollment.payment USING (payment_id)
LEFT JOIN enrollment.enrollment_order USING (order_id)
WHERE refund.refund_id = $1;

-- Those owed since $1 or longer are waiting for long.
-- name: count_owed_refunds
SELECT count(*) AS owed,
    count(*) FILTER (WHERE refusal IS NOT NULL) AS refused,
    count(*) FILTER (WHERE requested_at <= $1) AS waiting,
    min(requested_at) AS oldest_at
FROM enrollment.refund
WHERE refunded_at IS NULL;
