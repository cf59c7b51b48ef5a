-- $3: places in traces, NULL for all where nothing is traced.
-- name: append_events
INSERT INTO {schema}.outbox (event_key, payload, traceparent)
SELECT event.event_key, event.payload, event.traceparent
FROM unnest($1::text[], $2::bytea[], $3::text[]) AS event (event_key, payload, traceparent);

-- One row at least, for as_of. Below xmin every transaction has ended, so nothing
-- can appear there any more. A transaction may have begun (and got its xid) before
-- another and still have changed a key after it: a state that is older than one
-- already delivered is left out.
-- name: read_page
SELECT looked.as_of, page.xid, page.position, page.event_key, page.payload, page.created_at,
    page.traceparent
FROM (
    SELECT coalesce(min(held.created_at), statement_timestamp()) AS as_of
    FROM {schema}.outbox AS held
    WHERE held.xid >= pg_snapshot_xmin(pg_current_snapshot())
) AS looked
LEFT JOIN (
    SELECT event.xid::text AS xid, event.position, event.event_key, event.payload,
        event.created_at, event.traceparent, row_number() OVER (ORDER BY event.xid, event.position) AS place
    FROM {schema}.outbox AS event
    WHERE (event.xid, event.position) > ($1::text::xid8, $2)
        AND event.xid < pg_snapshot_xmin(pg_current_snapshot())
        AND NOT EXISTS (
            SELECT 1
            FROM {schema}.outbox AS newer
            WHERE newer.event_key = event.event_key
                AND newer.position > event.position
                AND newer.xid < event.xid
        )
    ORDER BY event.xid, event.position
    LIMIT $3
) AS page ON true
ORDER BY page.place;

-- The next $4 events after ($1, $2) that are older than $3 are looked at; of those that a later
-- one of their key replaces go. Returns where the look ended, nothing after the last.
-- name: compact_page
WITH looked AS (
    SELECT event.xid, event.position, event.event_key
    FROM {schema}.outbox AS event
    WHERE (event.xid, event.position) > ($1::text::xid8, $2)
        AND event.created_at < clock_timestamp() - $3::interval
    ORDER BY event.xid, event.position
    LIMIT $4
), gone AS (
    DELETE FROM {schema}.outbox AS event
    USING looked
    WHERE event.xid = looked.xid
        AND event.position = looked.position
        AND EXISTS (
            SELECT FROM {schema}.outbox AS newer
            WHERE newer.event_key = looked.event_key AND newer.position > looked.position
        )
)
SELECT xid::text AS xid, position FROM looked ORDER BY looked.xid DESC, position DESC LIMIT 1;
