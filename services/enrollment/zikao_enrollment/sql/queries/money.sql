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
SELECT payment.order_id, refund.refund_id, refund.amount_fen, refund.refunded_at, refund.refusal
FROM enrollment.refund
JOIN enrollment.payment ON payment.payment_id = refund.payment_id
WHERE payment.order_id = ANY ($1::uuid[])
ORDER BY refund.requested_at, refund.refund_id;

-- The pauses double from $1 on, up to $2; by the database's clock: moving that of a rehearsal
-- hastens nothing and holds nothing up.
-- name: lease_refunds
WITH due AS (
    SELECT refund_id
    FROM enrollment.refund
    WHERE refunded_at IS NULL AND next_attempt_at <= statement_timestamp()
    ORDER BY next_attempt_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.refund
SET next_attempt_at = clock_timestamp()
        + least($1::interval * power(2, least(attempts, 20)), $2::interval),
    attempts = attempts + 1
FROM due
WHERE refund.refund_id = due.refund_id
RETURNING refund.refund_id, refund.payment_id, refund.amount_fen;

-- name: finish_refund
UPDATE enrollment.refund
SET refunded_at = $2, refusal = NULL
WHERE refund_id = $1 AND refunded_at IS NULL;

-- name: refuse_refund
UPDATE enrollment.refund SET refusal = $2 WHERE refund_id = $1 AND refunded_at IS NULL;
