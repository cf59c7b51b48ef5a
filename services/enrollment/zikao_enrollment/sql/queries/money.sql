-- name: insert_payment
INSERT INTO enrollment.payment
    (payment_id, order_id, amount_fen, paid_at, received_at, disposition, flag)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (payment_id) DO NOTHING;

-- name: find_payment
SELECT payment_id, order_id, amount_fen, paid_at FROM enrollment.payment WHERE payment_id = $1;

-- name: insert_refund
INSERT INTO enrollment.refund (refund_id, payment_id, amount_fen, requested_at, next_attempt_at)
VALUES ($1, $2, $3, $4, clock_timestamp());

-- name: list_refunds
SELECT payment.order_id, refund.refund_id, refund.amount_fen, refund.refunded_at
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
    WHERE refunded_at IS NULL AND next_attempt_at <= clock_timestamp()
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
UPDATE enrollment.refund SET refunded_at = $2 WHERE refund_id = $1 AND refunded_at IS NULL;
