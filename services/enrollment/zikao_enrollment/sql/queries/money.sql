-- name: insert_payment
INSERT INTO enrollment.payment
    (payment_id, order_id, amount_fen, paid_at, received_at, disposition)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (payment_id) DO NOTHING;

-- name: payment_exists
SELECT EXISTS (SELECT FROM enrollment.payment WHERE payment_id = $1);

-- name: insert_refund
INSERT INTO enrollment.refund (refund_id, payment_id, amount_fen, requested_at, next_attempt_at)
VALUES ($1, $2, $3, $4, $4);

-- The pauses double from $2 on, up to $3.
-- name: lease_refunds
WITH due AS (
    SELECT refund_id
    FROM enrollment.refund
    WHERE refunded_at IS NULL AND next_attempt_at <= $1
    ORDER BY next_attempt_at
    LIMIT $4
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.refund
SET next_attempt_at = $1 + least($2::interval * power(2, least(attempts, 20)), $3::interval),
    attempts = attempts + 1
FROM due
WHERE refund.refund_id = due.refund_id
RETURNING refund.refund_id, refund.payment_id, refund.amount_fen;

-- name: finish_refund
UPDATE enrollment.refund SET refunded_at = $2 WHERE refund_id = $1 AND refunded_at IS NULL;
