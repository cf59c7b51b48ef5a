-- Word of payments that the old code has taken until now.
UPDATE enrollment.payment
SET payment_order_id = order_id,
    order_id = CASE WHEN flag = 'unknown_order' THEN NULL ELSE order_id END
WHERE payment_order_id IS NULL;
ALTER TABLE enrollment.payment ALTER COLUMN payment_order_id SET NOT NULL;
ALTER TABLE enrollment.enrollment_order DROP COLUMN payment_code;
