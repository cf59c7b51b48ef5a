-- The last number of an approved candidate.
-- name: find_candidate_by_number
SELECT candidate_id
FROM registration.candidate
WHERE ticket_number = $1;

-- Also by a number that has ended, or was merged into another.
-- name: find_candidate_by_any_number
SELECT candidate_id
FROM registration.ticket_number
WHERE ticket_number = $1;

-- name: set_standing
UPDATE registration.candidate
SET standing = $2, standing_reason = $3, updated_at = $4
WHERE candidate_id = $1;

-- name: insert_standing_change
INSERT INTO registration.standing_change (candidate_id, standing, reason_enc, changed_at)
VALUES ($1, $2, $3, $4);

-- name: list_transfer_requests
SELECT changed_at
FROM registration.standing_change
WHERE candidate_id = $1 AND standing = 'transfer_requested' AND changed_at > $2
ORDER BY changed_at DESC;

-- The last ones, the oldest of them first.
-- name: list_standing_changes
SELECT last.standing, last.reason_enc, last.changed_at
FROM (
    SELECT position, standing, reason_enc, changed_at
    FROM registration.standing_change
    WHERE candidate_id = $1
    ORDER BY position DESC
    LIMIT $2
) AS last
ORDER BY last.position;

-- name: end_ticket_number
UPDATE registration.ticket_number
SET status = 'ended', reason = $2, ended_at = $3
WHERE ticket_number = $1 AND status = 'current';

-- name: list_ticket_numbers
SELECT ticket_number AS number, status, assigned_at, ended_at
FROM registration.ticket_number
WHERE candidate_id = $1
ORDER BY assigned_at, ticket_number;

-- The last ones, the oldest of them first.
-- name: list_decisions
SELECT last.approved, last.reasons, last.comment, last.decided_at
FROM (
    SELECT decision_id, approved, reasons, comment, decided_at
    FROM registration.decision
    WHERE candidate_id = $1 AND NOT needs_confirmation
    ORDER BY decision_id DESC
    LIMIT $2
) AS last
ORDER BY last.decision_id;
