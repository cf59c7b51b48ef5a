-- Where tracing is on, events say of which trace they are (docs/observability.md). Code from before
-- goes on: its events have no trace.

ALTER TABLE tickets.outbox ADD COLUMN traceparent text;
COMMENT ON COLUMN tickets.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';
