-- Of an area: counties that begin with $1, with $2 also what belongs to none; other filters may be
-- NULL. Behind ($7, $8).
-- name: list_differences
SELECT difference.*, payment.disposition, refund.state AS refund_state
FROM enrollment.difference
LEFT JOIN enrollment.payment ON payment.payment_id = difference.payment_id
LEFT JOIN enrollment.refund ON refund.payment_id = difference.payment_id
WHERE ((difference.county_code <> '' AND starts_with(difference.county_code, $1))
        OR (difference.county_code = '' AND $2))
    AND ($3::date IS NULL OR difference.statement_date >= $3)
    AND ($4::date IS NULL OR difference.statement_date <= $4)
    AND ($5::text IS NULL OR difference.state = $5)
    AND ($6::text IS NULL OR difference.kind = $6)
    AND (
        $7::date IS NULL
        OR difference.statement_date < $7
        OR (difference.statement_date = $7 AND difference.difference_id > $8::uuid)
    )
ORDER BY difference.statement_date DESC, difference.difference_id
LIMIT $9;

-- is_to_settle: a payment that is not here, and that the platform's own statement has.
-- name: lock_difference
SELECT difference.*, payment.disposition, refund.state AS refund_state,
    difference.money = 'payment' AND payment.payment_id IS NULL AND EXISTS (
        SELECT FROM enrollment.stated_money AS line
        JOIN enrollment.statement USING (statement_date)
        WHERE line.subject_id = difference.subject_id
            AND line.money = difference.money
            AND statement.source = 'platform'
    ) AS is_to_settle
FROM enrollment.difference
LEFT JOIN enrollment.payment ON payment.payment_id = difference.payment_id
LEFT JOIN enrollment.refund ON refund.payment_id = difference.payment_id
WHERE difference.difference_id = $1
FOR UPDATE OF difference;

-- name: update_difference
UPDATE enrollment.difference
SET state = $2, resolution = $3, reason = $4, decided_by = $5, decided_at = $6, confirmed_by = $7,
    confirmed_at = $8
WHERE difference_id = $1;

-- Also those of which an officer has proposed something: money does not wait for the second one.
-- The pauses double from $1 on, up to $2; by the database's clock.
-- name: lease_differences
WITH due AS (
    SELECT difference_id
    FROM enrollment.difference
    WHERE state <> 'resolved' AND next_attempt_at <= statement_timestamp()
    ORDER BY next_attempt_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE enrollment.difference
SET next_attempt_at = clock_timestamp()
        + least($1::interval * power(2, least(attempts, 20)), $2::interval),
    attempts = attempts + 1
FROM due
WHERE difference.difference_id = due.difference_id
RETURNING difference.difference_id, difference.money, difference.kind, difference.payment_id,
    difference.order_id, difference.there_fen, difference.moved_at,
    EXISTS (
        SELECT FROM enrollment.statement
        WHERE statement.statement_date = difference.statement_date AND statement.source = 'file'
    ) AS is_of_file;

-- Those of $1 whose money is the same here and there by now, and has come to its end.
-- name: settle_differences
UPDATE enrollment.difference
SET state = 'resolved', reason = '', decided_by = $2, decided_at = $3,
    resolution = CASE
        WHEN difference.money = 'payment' AND payment.disposition = 'refund' THEN 'refunded'
        ELSE 'settled'
    END
FROM enrollment.stated_money AS line, enrollment.payment
LEFT JOIN enrollment.refund ON refund.payment_id = payment.payment_id
WHERE difference.difference_id = ANY ($1::uuid[])
    AND difference.state <> 'resolved'
    AND line.subject_id = difference.subject_id
    AND line.money = difference.money
    AND payment.payment_id = line.payment_id
    AND payment.payment_order_id = line.order_id
    AND (refund.refunded_at IS NOT NULL OR payment.disposition = 'applied')
    AND CASE difference.money
        WHEN 'payment' THEN payment.amount_fen = line.amount_fen
        ELSE refund.refund_id::text = line.subject_id AND refund.amount_fen = line.amount_fen
    END;
