-- Returns nothing while another consumer is at it.
-- name: take_turn
INSERT INTO {schema}.feed_cursor (source, cursor) VALUES ($1, '')
ON CONFLICT (source) DO UPDATE SET updated_at = clock_timestamp()
WHERE feed_cursor.updated_at < clock_timestamp() - $2::interval
RETURNING cursor;

-- name: load_cursor
SELECT cursor FROM {schema}.feed_cursor WHERE source = $1;

-- By the databases' clocks: as_of is that of the feed's.
-- name: load_lag
SELECT extract(epoch FROM clock_timestamp() - as_of)::double precision
FROM {schema}.feed_cursor
WHERE source = $1;

-- Changes nothing when another consumer was faster.
-- name: advance_cursor
UPDATE {schema}.feed_cursor
SET cursor = $3, as_of = greatest(as_of, $4), updated_at = clock_timestamp()
WHERE source = $1 AND cursor = $2
RETURNING extract(epoch FROM clock_timestamp() - as_of)::double precision;

-- name: end_turn
UPDATE {schema}.feed_cursor SET updated_at = '-infinity'
WHERE source = $1 AND cursor = $2;
