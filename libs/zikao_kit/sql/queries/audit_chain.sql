-- Asked every second in every process: a few rows by their index. Of a backlog up to $1 are counted.
-- name: audit_log_state
SELECT waiting.entries, waiting.age_seconds, head.number, head.sha256
FROM (
    SELECT count(*) AS entries,
        coalesce(extract(epoch FROM clock_timestamp() - min(oldest.noted_at)), 0)::float8
            AS age_seconds
    FROM (
        SELECT noted_at FROM {schema}.audit_unsealed ORDER BY audit_id LIMIT $1
    ) AS oldest
) AS waiting
CROSS JOIN LATERAL (
    SELECT number, sha256 FROM {schema}.audit_anchor
    UNION ALL
    (SELECT number, sha256 FROM {schema}.audit_chain ORDER BY number DESC LIMIT 1)
    ORDER BY number DESC
    LIMIT 1
) AS head;

-- One process seals or removes at a time; the others find nothing to do. A row of the schema is the
-- lock: advisory locks are of the whole database, and other services' roles could hold them.
-- name: lock_audit_chain
SELECT true FROM {schema}.audit_anchor FOR UPDATE SKIP LOCKED;

-- Each entry by its key, whatever the planner knows of the tables.
-- Whatever is committed by now; an entry that is committed later is sealed later, whatever its number.
-- name: list_unsealed_audit
SELECT entry.audit_id, entry.at, entry.actor, entry.role, entry.action, entry.subject, entry.area,
    entry.before::text AS before, entry.after::text AS after, clock_timestamp() AS sealed_at
FROM (
    SELECT audit_id FROM {schema}.audit_unsealed ORDER BY audit_id LIMIT $1
) AS waiting
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.audit_entry AS found WHERE found.audit_id = waiting.audit_id LIMIT 1
) AS entry
ORDER BY entry.audit_id;

-- name: append_to_audit_chain
INSERT INTO {schema}.audit_chain (number, audit_id, sealed_at, sha256)
SELECT sealed.number, sealed.audit_id, sealed.sealed_at, sealed.sha256
FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[], $4::bytea[])
    AS sealed (number, audit_id, sealed_at, sha256);

-- name: forget_unsealed_audit
DELETE FROM {schema}.audit_unsealed WHERE audit_id = ANY ($1::bigint[]);

-- name: load_audit_anchor
SELECT number, sha256, cut_at FROM {schema}.audit_anchor;

-- name: load_audit_link
SELECT sha256 FROM {schema}.audit_chain WHERE number = $1;

-- A link whose entry is gone has nothing but its number, time and hash.
-- name: list_audit_links
SELECT link.number, link.audit_id, link.sealed_at, link.sha256, entry.at, entry.actor, entry.role,
    entry.action, entry.subject, entry.area, entry.before::text AS before,
    entry.after::text AS after
FROM (
    SELECT number, audit_id, sealed_at, sha256
    FROM {schema}.audit_chain
    WHERE number > $1
    ORDER BY number
    LIMIT $2
) AS link
LEFT JOIN LATERAL (
    SELECT * FROM {schema}.audit_entry AS found WHERE found.audit_id = link.audit_id LIMIT 1
) AS entry ON true
ORDER BY link.number;

-- The number of the last link that was sealed long enough ago, by the real clock, that it may go by
-- the day after; numbers and times rise together, so the place is found by halving.
-- name: find_last_old_audit
WITH RECURSIVE halving (low, high) AS (
    SELECT anchor.number, (
        SELECT coalesce(max(number), anchor.number) + 1 FROM {schema}.audit_chain
    )
    FROM {schema}.audit_anchor AS anchor
    UNION ALL
    SELECT CASE WHEN old THEN middle ELSE low END, CASE WHEN old THEN high ELSE middle END
    FROM halving
    CROSS JOIN LATERAL (SELECT (low + high) / 2 AS middle) AS between
    CROSS JOIN LATERAL (
        SELECT EXISTS (
            SELECT FROM {schema}.audit_chain
            WHERE number = middle
                AND sealed_at < {schema}.audit_kept_since() + interval '1 day'
        ) AS old
    ) AS looked
    WHERE high - low > 1
)
SELECT min(low) FROM halving WHERE high - low <= 1;

-- The oldest sealed entries; the newest one of all is no candidate to go.
-- name: list_oldest_audit
SELECT link.number, entry.at, link.old
FROM (
    SELECT number, audit_id, sealed_at < {schema}.audit_kept_since() AS old
    FROM {schema}.audit_chain
    WHERE number < (SELECT max(number) FROM {schema}.audit_chain)
    ORDER BY number
    LIMIT $1
) AS link
LEFT JOIN LATERAL (
    SELECT * FROM {schema}.audit_entry AS found WHERE found.audit_id = link.audit_id LIMIT 1
) AS entry ON true
ORDER BY link.number;

-- name: cut_audit
SELECT {schema}.cut_audit($1, $2, $3);
