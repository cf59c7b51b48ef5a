-- name: insert_office_audit
INSERT INTO {schema}.office_audit
    (at, actor, role, action, session_code, county_prefix, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, $8::text::jsonb);

-- What has no counties is about all of them.
-- name: list_office_audit
SELECT audit_id, at, actor, role, action, session_code, county_prefix, before::text AS before,
    after::text AS after
FROM {schema}.office_audit
WHERE (pg_catalog.starts_with(county_prefix, $1) OR county_prefix = '')
    AND ($2::text IS NULL OR session_code = $2)
    AND ($3::text IS NULL OR actor = $3)
    AND ($4::text IS NULL OR action = $4)
    AND ($5::bigint IS NULL OR audit_id < $5)
ORDER BY audit_id DESC
LIMIT $6;
