-- A refund's way was an UPDATE that left no trace: each step is a line now, as with orders. And
-- what was append-only by word alone is so by a trigger.
ALTER TABLE enrollment.refund ADD COLUMN state text NOT NULL GENERATED ALWAYS AS (CASE
    WHEN refunded_at IS NOT NULL THEN 'refunded'
    WHEN refusal IS NOT NULL THEN 'refused'
    ELSE 'requested'
END) STORED;

CREATE TABLE enrollment.refund_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    refund_id uuid NOT NULL,
    from_state text,
    to_state text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    refusal text,
    CONSTRAINT refund_event_refused CHECK ((to_state = 'refused') = (refusal IS NOT NULL))
);
COMMENT ON TABLE enrollment.refund_event IS
    'How a refund came to its state; only ever added to. refusal: why the platform said no';
CREATE INDEX refund_event_by_refund ON enrollment.refund_event (refund_id);

INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at)
SELECT refund_id, NULL, 'requested', 'request', 'payment-platform', requested_at
FROM enrollment.refund
ORDER BY requested_at;
INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at, refusal)
SELECT refund_id, 'requested', state, CASE state WHEN 'refunded' THEN 'refund' ELSE 'refuse' END,
    'payment-platform', coalesce(refunded_at, requested_at), refusal
FROM enrollment.refund
WHERE state <> 'requested';

CREATE TRIGGER order_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.order_event
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.refuse_change();
CREATE TRIGGER refund_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.refund_event
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.refuse_change();

-- What offices are shown; those that are refused are counted among the pending ones.
CREATE INDEX payment_odd ON enrollment.payment (received_at DESC, payment_id DESC)
    WHERE flag IS NOT NULL;
DROP INDEX enrollment.refund_refused;
