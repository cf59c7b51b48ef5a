-- Filters differ so much that one plan for all of them would be a bad one for most.
-- name: use_custom_plans
SELECT pg_catalog.set_config('plan_cache_mode', 'force_custom_plan', true);

-- Of the county $3, or of all whose code begins with $4. The caller's own leases are renewed:
-- who lost an answer gets the same work again.
-- name: lease_candidates
WITH free AS MATERIALIZED (
    SELECT candidate.candidate_id
    FROM registration.candidate
    WHERE candidate.state IN ('pending_review', 'pending_confirmation')
        AND ($3::text IS NULL OR candidate.county_code = $3)
        AND ($4::text IS NULL OR pg_catalog.starts_with(candidate.county_code, $4))
        AND (
            candidate.leased_until IS NULL
            OR candidate.leased_until <= $5
            OR candidate.leased_by = $1
        )
        AND candidate.first_approved_by IS DISTINCT FROM $1
    ORDER BY candidate.queued_at, candidate.candidate_id
    LIMIT $6
    FOR UPDATE SKIP LOCKED
)
UPDATE registration.candidate
SET leased_by = $1, leased_until = $2
FROM free
WHERE candidate.candidate_id = free.candidate_id
RETURNING candidate.candidate_id;

-- Those of $2, or all for an empty list. Locked in the order that decisions lock them in.
-- name: release_leases
WITH held AS MATERIALIZED (
    SELECT candidate.candidate_id
    FROM registration.candidate
    WHERE candidate.leased_by = $1
        AND (cardinality($2::uuid[]) = 0 OR candidate.candidate_id = ANY ($2))
    ORDER BY candidate.candidate_id
    FOR UPDATE
)
UPDATE registration.candidate
SET leased_by = NULL, leased_until = NULL
FROM held
WHERE candidate.candidate_id = held.candidate_id
RETURNING candidate.candidate_id;

-- In one order for everybody: two batches with the same candidates do not deadlock.
-- name: lock_candidates
SELECT candidate_id
FROM registration.candidate
WHERE candidate_id = ANY ($1::uuid[])
ORDER BY candidate_id
FOR UPDATE;

-- The last serials so far, 0 for a county's first; the rows stay locked, in the order of keys.
-- name: lock_serials
INSERT INTO registration.ticket_serial AS serial (session_code, county_code, last_serial)
SELECT wanted.session_code, wanted.county_code, 0
FROM unnest($1::text[], $2::text[]) AS wanted (session_code, county_code)
ORDER BY wanted.session_code, wanted.county_code
ON CONFLICT (session_code, county_code) DO UPDATE SET last_serial = serial.last_serial
RETURNING serial.session_code, serial.county_code, serial.last_serial;

-- name: find_taken_numbers
SELECT ticket_number
FROM registration.ticket_number
WHERE ticket_number = ANY ($1::text[]);

-- name: save_serials
UPDATE registration.ticket_serial AS serial
SET last_serial = taken.last_serial
FROM unnest($1::text[], $2::text[], $3::integer[])
    AS taken (session_code, county_code, last_serial)
WHERE serial.session_code = taken.session_code AND serial.county_code = taken.county_code;

-- name: insert_ticket_numbers
INSERT INTO registration.ticket_number
    (ticket_number, candidate_id, status, reason, assigned_at, session_code, county_code, serial)
SELECT assigned.ticket_number, assigned.candidate_id, 'current', '', assigned.assigned_at,
    assigned.session_code, assigned.county_code, assigned.serial
FROM unnest($1::text[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::integer[])
    AS assigned (ticket_number, candidate_id, assigned_at, session_code, county_code, serial);

-- name: update_decided
UPDATE registration.candidate
SET state = decided.state, ticket_number = decided.ticket_number, updated_at = decided.updated_at,
    first_approved_by = decided.first_approved_by, standing = decided.standing,
    standing_reason = decided.standing_reason, leased_by = NULL, leased_until = NULL
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::text[], $7::text[]
) AS decided (
    candidate_id, state, ticket_number, updated_at, first_approved_by, standing, standing_reason
)
WHERE candidate.candidate_id = decided.candidate_id;

-- Arrays of reasons travel as literals: unnest would flatten an array of arrays.
-- name: insert_decisions
INSERT INTO registration.decision
    (candidate_id, session_code, county_code, submitted_at, officer_id, approved,
    needs_confirmation, reasons, comment, decided_at)
SELECT made.candidate_id, made.session_code, made.county_code, made.submitted_at,
    made.officer_id, made.approved, made.needs_confirmation, made.reasons::text[], made.comment,
    made.decided_at
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::uuid[], $6::boolean[],
    $7::boolean[], $8::text[], $9::text[], $10::timestamptz[]
) AS made (
    candidate_id, session_code, county_code, submitted_at, officer_id, approved,
    needs_confirmation, reasons, comment, decided_at
);

-- First approvals are the offices' own affair.
-- name: list_last_decisions
SELECT DISTINCT ON (candidate_id) candidate_id, approved, reasons, comment, decided_at
FROM registration.decision
WHERE candidate_id = ANY ($1::uuid[]) AND NOT needs_confirmation
ORDER BY candidate_id, decision_id DESC;

-- name: list_review_decisions
SELECT approved, reasons, comment, decided_at, officer_id, needs_confirmation
FROM registration.decision
WHERE candidate_id = $1
ORDER BY decision_id;

-- Rows of one batch, each by its own actor.
-- name: insert_audits
INSERT INTO registration.audit
    (at, actor, role, action, candidate_id, county_code, before, after)
SELECT done.at, done.actor, done.role, $1, done.candidate_id, done.county_code,
    done.before::jsonb, done.after::jsonb
FROM unnest(
    $2::timestamptz[], $3::text[], $4::text[], $5::uuid[], $6::text[], $7::text[], $8::text[]
) AS done (at, actor, role, candidate_id, county_code, before, after);

-- One row a candidate; one without candidate for the array {NULL}.
-- name: insert_audit
INSERT INTO registration.audit
    (at, actor, role, action, candidate_id, county_code, before, after)
SELECT $1, $2, $3, $4, subject.candidate_id, coalesce(candidate.county_code, $8), $6::jsonb,
    $7::jsonb
FROM unnest($5::uuid[]) AS subject (candidate_id)
LEFT JOIN registration.candidate ON candidate.candidate_id = subject.candidate_id;

-- Of all counties, by the index of what waits.
-- name: measure_backlog
SELECT count(*) AS applications, min(queued_at) AS oldest_at
FROM registration.candidate
WHERE state IN ('pending_review', 'pending_confirmation');

-- name: count_pending_changes
SELECT count(*) AS changes
FROM registration.profile_change
WHERE state = 'pending';
