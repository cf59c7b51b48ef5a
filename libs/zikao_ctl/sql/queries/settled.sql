-- What must hold once everything has come to rest: nobody is on the way any more. They look across
-- the schemas: only an administrator may.

-- Somebody with seats who has no approved registration in good standing: unless that has ended
-- since.
-- name: enrollment_only_the_approved_have_seats
SELECT DISTINCT sitting.candidate_id::text AS offender
FROM enrollment.sitting
LEFT JOIN registration.candidate USING (candidate_id)
WHERE candidate.state IS DISTINCT FROM 'approved' OR candidate.standing <> 'active';

-- Candidates whom enrollment knows otherwise than registration. Whose number has ended is known
-- by that until the next one, whatever they apply for meanwhile.
-- name: feeds_enrollment_knows_every_candidate
SELECT candidate_id::text AS offender
FROM (
    SELECT candidate_id, state, track, standing
    FROM registration.candidate
    WHERE state = 'approved' OR standing IN ('graduated', 'transferred_out')
) AS registered
FULL JOIN enrollment.candidate AS known USING (candidate_id)
WHERE registered.standing IS DISTINCT FROM known.standing
    OR (registered.state = 'approved' AND registered.track IS DISTINCT FROM known.track);

-- Candidates whom tickets knows otherwise than registration.
-- name: feeds_tickets_knows_every_candidate
SELECT candidate_id::text AS offender
FROM (
    SELECT candidate_id, coalesce(
        ticket_number, (
            SELECT listed.ticket_number
            FROM registration.ticket_number AS listed
            WHERE listed.candidate_id = candidate.candidate_id AND listed.status = 'ended'
            ORDER BY listed.ended_at DESC
            LIMIT 1
        )
    ) AS ticket_number
    FROM registration.candidate
    WHERE state = 'approved' OR standing IN ('graduated', 'transferred_out')
) AS registered
FULL JOIN tickets.candidate AS known USING (candidate_id)
WHERE registered.ticket_number IS DISTINCT FROM known.ticket_number;

-- Confirmed sittings that tickets does not have, or has otherwise.
-- name: feeds_tickets_knows_every_enrollment
SELECT concat_ws(' ', session_code, candidate_id, slot) AS offender
FROM (
    SELECT session_code, candidate_id, slot, county_code, course_code
    FROM enrollment.sitting
    WHERE state = 'confirmed'
) AS confirmed
FULL JOIN tickets.sitting AS known USING (session_code, candidate_id, slot)
WHERE (confirmed.county_code, confirmed.course_code)
    IS DISTINCT FROM (known.county_code, known.course_code);
