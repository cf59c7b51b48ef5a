-- name: insert_profile_change
INSERT INTO registration.profile_change
    (change_id, candidate_id, session_code, county_code, state, values_enc, requested_at)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: get_profile_change
SELECT change_id, candidate_id, session_code, county_code, state, values_enc, requested_at,
    reasons, comment, decided_at, failure
FROM registration.profile_change
WHERE change_id = $1;

-- name: get_last_profile_change
SELECT change_id, candidate_id, session_code, county_code, state, values_enc, requested_at,
    reasons, comment, decided_at, failure
FROM registration.profile_change
WHERE candidate_id = $1
ORDER BY requested_at DESC, change_id DESC
LIMIT 1;

-- name: list_profile_changes
SELECT change_id, candidate_id, session_code, county_code, state, values_enc, requested_at,
    reasons, comment, decided_at, failure
FROM registration.profile_change
WHERE pg_catalog.starts_with(county_code, $1)
    AND ($2 = '' OR state = $2)
    AND (requested_at, change_id) > ($3, $4)
ORDER BY requested_at, change_id
LIMIT $5;

-- name: set_change_state
UPDATE registration.profile_change
SET state = $2, failure = $3
WHERE change_id = $1;

-- name: count_changes
SELECT count(*)
FROM registration.profile_change
WHERE candidate_id = $1 AND session_code = $2;

-- name: withdraw_change
UPDATE registration.profile_change
SET state = $2, evidence_enc = NULL
WHERE change_id = $1;

-- name: set_change_evidence
UPDATE registration.profile_change
SET state = $2, evidence_enc = $3
WHERE change_id = $1;

-- name: get_change_evidence
SELECT evidence_enc
FROM registration.profile_change
WHERE change_id = $1;

-- name: decide_change
UPDATE registration.profile_change
SET state = $2, decided_by = $3, reasons = $4, comment = $5, decided_at = $6
WHERE change_id = $1;

-- The list of states is the index's. Leaves those whose candidate is at work on them: evidence may be coming in just now. Looks at
-- the state again, which may have moved on while the candidate was being locked.
-- name: lapse_changes
UPDATE registration.profile_change
SET state = $3
WHERE state = $2 AND change_id IN (
    SELECT late.change_id
    FROM registration.profile_change AS late
    JOIN registration.candidate ON candidate.candidate_id = late.candidate_id
    WHERE late.session_code = $1
        AND late.state IN ('awaiting_evidence', 'pending', 'approved')
        AND late.state = $2
    FOR UPDATE OF candidate SKIP LOCKED
)
RETURNING candidate_id;

-- name: list_due_changes
SELECT change_id
FROM registration.profile_change
WHERE session_code = ANY ($1::text[]) AND state = 'approved' AND change_id > $2
ORDER BY change_id
LIMIT $3;

-- name: update_identity
UPDATE registration.candidate
SET document_type = $2, personal_enc = $3, updated_at = $4
WHERE candidate_id = $1;

-- name: has_open_changes
SELECT EXISTS (
    SELECT 1
    FROM registration.profile_change
    WHERE session_code = $1 AND state IN ('awaiting_evidence', 'pending', 'approved')
);
