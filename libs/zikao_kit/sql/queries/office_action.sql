-- name: insert_office_action
INSERT INTO {schema}.office_action
    (action_id, session_code, county_prefix, act, state, proposed_by, proposed_at, expires_at)
VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8);

-- One officer's acts are counted one after the other.
-- name: lock_officer
SELECT pg_advisory_xact_lock(hashtextextended('{schema}.office_action:' || $1, 0));

-- Of an officer $1, those that can still be confirmed at $2.
-- name: count_pending_office_actions
SELECT count(*) AS pending
FROM {schema}.office_action
WHERE proposed_by = $1 AND state = 'pending' AND expires_at > $2;

-- Of all officers.
-- name: count_all_pending_office_actions
SELECT count(*) AS pending
FROM {schema}.office_action
WHERE state = 'pending' AND expires_at > $1;

-- Before what the act is about.
-- name: lock_office_action
SELECT action_id, session_code, county_prefix, act::text AS act, state, proposed_by, proposed_at,
    expires_at, decided_by, decided_at
FROM {schema}.office_action
WHERE action_id = $1
FOR UPDATE;

-- name: decide_office_action
UPDATE {schema}.office_action
SET state = $2, decided_by = $3, decided_at = $4
WHERE action_id = $1;

-- $3: as it is shown at $4, when what nobody has decided may have expired.
-- name: list_office_actions
SELECT position, action_id, session_code, county_prefix, act::text AS act, state, proposed_by,
    proposed_at, expires_at, decided_by, decided_at
FROM {schema}.office_action
WHERE pg_catalog.starts_with(county_prefix, $1)
    AND ($2::text IS NULL OR session_code = $2)
    AND (
        $3::text IS NULL
        OR $3 = CASE
            WHEN state = 'pending' AND expires_at <= $4::timestamptz THEN 'expired'
            ELSE state
        END
    )
    AND ($5::bigint IS NULL OR position < $5)
ORDER BY position DESC
LIMIT $6;
