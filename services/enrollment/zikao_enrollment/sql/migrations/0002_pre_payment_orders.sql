-- The order at the platform is one attempt to pay an enrollment order, not that order itself: an
-- order may change between two attempts.
CREATE TABLE enrollment.payment_order (
    payment_order_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES enrollment.enrollment_order (order_id),
    amount_fen bigint NOT NULL,
    payment_code text,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    next_query_at timestamptz,
    queries integer NOT NULL DEFAULT 0,
    CONSTRAINT payment_order_state CHECK (state IN ('open', 'closed')),
    CONSTRAINT payment_order_amount CHECK (amount_fen > 0),
    CONSTRAINT payment_order_asked_while_open CHECK (state <> 'open' OR next_query_at IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE enrollment.payment_order IS
    'Attempts to pay an order, each an order at the platform under this id; payment_code is set once
    the platform has answered; next_query_at, by the database''s clock: when the platform is asked
    what it knows, null when no more';
CREATE UNIQUE INDEX payment_order_open_once ON enrollment.payment_order (order_id)
    WHERE state = 'open';
CREATE INDEX payment_order_by_order ON enrollment.payment_order (order_id);
CREATE INDEX payment_order_to_query ON enrollment.payment_order (next_query_at)
    WHERE next_query_at IS NOT NULL;

-- Those that the platform knows by the id of the enrollment order.
INSERT INTO enrollment.payment_order
    (payment_order_id, order_id, amount_fen, payment_code, state, opened_at, next_query_at)
SELECT order_id, order_id, fee_fen, payment_code,
    CASE WHEN state IN ('paying', 'closing') THEN 'open' ELSE 'closed' END,
    created_at, clock_timestamp()
FROM enrollment.enrollment_order
WHERE EXISTS (
    SELECT FROM enrollment.order_event
    WHERE order_event.order_id = enrollment_order.order_id AND action = 'open_payment'
);

ALTER TABLE enrollment.payment ADD COLUMN payment_order_id uuid;
ALTER TABLE enrollment.payment ALTER COLUMN order_id DROP NOT NULL;
UPDATE enrollment.payment SET payment_order_id = order_id;
UPDATE enrollment.payment SET order_id = NULL WHERE flag = 'unknown_order';
COMMENT ON TABLE enrollment.payment IS
    'Money that has come in; payment_order_id is as the platform gave it, so that a wrong one is
    refunded too; order_id: the order that it was for, null when there is none; flag: what is wrong
    with it, for the offices';

ALTER TABLE enrollment.refund ADD COLUMN refusal text;
COMMENT ON TABLE enrollment.refund IS
    'Money that goes back; asked for at the platform until refunded_at is set, the next time
    at next_attempt_at, by the database''s clock; refusal: the reason of the platform''s last
    answer when that was no: people must see to it';
CREATE INDEX refund_refused ON enrollment.refund (requested_at)
    WHERE refunded_at IS NULL AND refusal IS NOT NULL;
