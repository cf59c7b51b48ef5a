-- The caller's own leases are renewed: who lost an answer gets the same work again.
-- name: lease_candidates
WITH free AS MATERIALIZED (
    SELECT candidate.candidate_id
    FROM registration.candidate
    WHERE candidate.state = 'pending_review'
        AND pg_catalog.starts_with(candidate.county_code, $3)
        AND (
            candidate.leased_until IS NULL
            OR candidate.leased_until <= $4
            OR candidate.leased_by = $1
        )
    ORDER BY candidate.submitted_at, candidate.candidate_id
    LIMIT $5
    FOR UPDATE SKIP LOCKED
)
UPDATE registration.candidate
SET leased_by = $1, leased_until = $2
FROM free
WHERE candidate.candidate_id = free.candidate_id
RETURNING candidate.candidate_id;

-- name: insert_decision
INSERT INTO registration.decision
    (candidate_id, officer_id, approved, reasons, comment, decided_at)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: list_last_decisions
SELECT DISTINCT ON (candidate_id) candidate_id, approved, reasons, comment, decided_at
FROM registration.decision
WHERE candidate_id = ANY ($1::uuid[])
ORDER BY candidate_id, decision_id DESC;

-- One row a candidate; one without candidate for the array {NULL}.
-- name: insert_audit
INSERT INTO registration.audit
    (at, actor, role, action, candidate_id, county_code, before, after)
SELECT $1, $2, $3, $4, subject.candidate_id, coalesce(candidate.county_code, $8), $6::jsonb,
    $7::jsonb
FROM unnest($5::uuid[]) AS subject (candidate_id)
LEFT JOIN registration.candidate ON candidate.candidate_id = subject.candidate_id;
