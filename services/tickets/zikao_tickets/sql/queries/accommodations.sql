-- name: find_seated_candidate
SELECT candidate.candidate_id
FROM tickets.candidate
WHERE candidate.ticket_number = $3
    AND EXISTS (
        SELECT 1
        FROM tickets.sitting
        WHERE sitting.session_code = $1 AND sitting.candidate_id = candidate.candidate_id
            AND sitting.county_code = $2
    );

-- name: lock_accommodation
SELECT need
FROM tickets.accommodation
WHERE session_code = $1 AND candidate_id = $2
FOR UPDATE;

-- name: save_accommodation
INSERT INTO tickets.accommodation
    (session_code, candidate_id, county_code, need, noted_by, noted_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (session_code, candidate_id) DO UPDATE SET
    county_code = excluded.county_code, need = excluded.need, noted_by = excluded.noted_by,
    noted_at = excluded.noted_at;

-- name: delete_accommodation
DELETE FROM tickets.accommodation WHERE session_code = $1 AND candidate_id = $2;

-- name: list_accommodations
SELECT candidate.ticket_number, accommodation.need, accommodation.noted_by, accommodation.noted_at
FROM tickets.accommodation
JOIN tickets.candidate USING (candidate_id)
WHERE accommodation.session_code = $1 AND accommodation.county_code = $2
    AND candidate.ticket_number > $3
ORDER BY candidate.ticket_number
LIMIT $4;
