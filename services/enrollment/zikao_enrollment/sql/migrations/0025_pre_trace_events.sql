-- Where tracing is on, events say of which trace they are (docs/observability.md). Code from before
-- goes on: its events have no trace.

ALTER TABLE enrollment.outbox ADD COLUMN traceparent text;
COMMENT ON COLUMN enrollment.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';

CREATE TABLE enrollment.order_trace (
    order_id uuid PRIMARY KEY,
    traceparent text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE enrollment.order_trace IS
    'Of orders whose submission is traced, until they are confirmed: the event goes on with it';
