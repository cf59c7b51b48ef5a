-- Everything that was committed before xmin is seen by every later statement.
-- name: begin_roster
SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xmin, now() AS as_of;

-- By the index of confirmed orders: codes are digits, so a prefix is a range. The place to begin
-- after lies in it, or the index would be read from its own beginning.
-- name: list_roster
SELECT county_code, candidate_id, array_agg(course.code ORDER BY course.slot) AS course_codes,
    array_agg(course.slot ORDER BY course.slot) AS slots
FROM enrollment.enrollment_order
CROSS JOIN unnest(course_codes, slots) AS course (code, slot)
WHERE session_code = $1
    AND state = 'confirmed'
    AND county_code BETWEEN rpad($2, 6, '0') AND rpad($2, 6, '9')
    AND (county_code, candidate_id) > ($3, $4::uuid)
GROUP BY county_code, candidate_id
ORDER BY county_code, candidate_id
LIMIT $5;

-- name: count_roster
SELECT count(*)
FROM (
    SELECT candidate_id
    FROM enrollment.enrollment_order
    WHERE session_code = $1
        AND state = 'confirmed'
        AND county_code BETWEEN rpad($2, 6, '0') AND rpad($2, 6, '9')
    GROUP BY candidate_id
) AS enrolled;
