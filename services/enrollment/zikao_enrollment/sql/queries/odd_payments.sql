-- Of an area: orders in counties that begin with $1, with $2 also what is for no order that is
-- known; other filters may be NULL. Behind ($6, $7).
-- name: list_odd_payments
SELECT payment.payment_id, payment.payment_order_id, payment.order_id, payment.amount_fen,
    payment.paid_at, payment.received_at, payment.flag,
    enrollment_order.candidate_id, coalesce(enrollment_order.session_code, '') AS session_code,
    coalesce(enrollment_order.county_code, '') AS county_code,
    refund.refund_id, refund.state AS refund_state, refund.requested_at, refund.refunded_at,
    refund.refusal
FROM enrollment.payment
LEFT JOIN enrollment.enrollment_order USING (order_id)
LEFT JOIN enrollment.refund USING (payment_id)
WHERE payment.flag IS NOT NULL
    AND CASE
        WHEN enrollment_order.county_code IS NULL THEN $2
        ELSE starts_with(enrollment_order.county_code, $1)
    END
    AND ($3::text IS NULL OR enrollment_order.session_code = $3)
    AND ($4::text IS NULL OR payment.flag = $4)
    AND ($5::text IS NULL OR coalesce(refund.state, 'applied') = $5)
    AND ($6::timestamptz IS NULL OR (payment.received_at, payment.payment_id) < ($6, $7::text))
ORDER BY payment.received_at DESC, payment.payment_id DESC
LIMIT $8;

-- name: count_odd_payments
SELECT flag, count(*) AS payments
FROM enrollment.payment
WHERE flag IS NOT NULL AND received_at > $1
GROUP BY flag;
