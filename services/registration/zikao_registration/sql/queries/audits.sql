-- $3 NULL: also what concerns no county.
-- name: list_audit
SELECT audit_id, at, actor, role, action, candidate_id, county_code, before::text AS before,
    after::text AS after
FROM registration.audit
WHERE ($1::uuid IS NULL OR candidate_id = $1)
    AND ($2::text IS NULL OR actor = $2)
    AND ($3::text IS NULL OR pg_catalog.starts_with(county_code, $3))
    AND ($4::text IS NULL OR action = $4)
    AND ($5::timestamptz IS NULL OR at >= $5)
    AND ($6::timestamptz IS NULL OR at < $6)
    AND ($7::timestamptz IS NULL OR (at, audit_id) < ($7, $8::bigint))
ORDER BY at DESC, audit_id DESC
LIMIT $9;
