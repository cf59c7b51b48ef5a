-- The platform is asked about open attempts before closed ones, of which a rush leaves many more.
CREATE INDEX payment_order_due ON enrollment.payment_order (state, next_query_at)
    WHERE next_query_at IS NOT NULL;
DROP INDEX enrollment.payment_order_to_query;
