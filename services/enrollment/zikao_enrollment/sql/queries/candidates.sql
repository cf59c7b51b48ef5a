-- name: find_candidate
SELECT candidate_id, track, standing, standing_reason
FROM enrollment.candidate
WHERE candidate_id = $1;

-- name: find_candidates
SELECT candidate_id, track, standing, standing_reason
FROM enrollment.candidate
WHERE candidate_id = ANY ($1::uuid[]);

-- Before seats, and in the order of their keys: no two batches can deadlock.
-- name: lock_candidates
SELECT track, standing, standing_reason, array_agg(candidate_id) AS candidate_ids
FROM (
    SELECT candidate_id, track, standing, standing_reason
    FROM enrollment.candidate
    WHERE candidate_id = ANY ($1::uuid[])
    ORDER BY candidate_id
    FOR NO KEY UPDATE
) AS locked
GROUP BY track, standing, standing_reason;

-- The caller gives each candidate once, in the order of ids: batches lock them in that order.
-- name: save_candidates
INSERT INTO enrollment.candidate (candidate_id, track, standing, standing_reason)
SELECT given.candidate_id, given.track, given.standing, given.standing_reason
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
    AS given (candidate_id, track, standing, standing_reason)
ON CONFLICT (candidate_id) DO UPDATE SET
    track = excluded.track, standing = excluded.standing,
    standing_reason = excluded.standing_reason;

-- What the feed has brought meanwhile is younger than what was asked for.
-- name: learn_candidate
INSERT INTO enrollment.candidate (candidate_id, track, standing, standing_reason)
VALUES ($1, $2, $3, $4)
ON CONFLICT (candidate_id) DO NOTHING;

-- name: save_plan
INSERT INTO enrollment.plan
    (session_code, candidate_id, course_codes, county_codes, may_move, saved_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (session_code, candidate_id) DO UPDATE SET
    course_codes = excluded.course_codes, county_codes = excluded.county_codes,
    may_move = excluded.may_move, saved_at = excluded.saved_at;

-- name: list_plans
SELECT candidate_id, course_codes, county_codes, may_move
FROM enrollment.plan
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]);
