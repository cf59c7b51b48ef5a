-- An order's fee is its courses' fees, all alike.
-- name: count_sittings
SELECT county_code, course.slot, course.code AS course_code,
    count(*) FILTER (WHERE state <> 'confirmed') AS held,
    count(*) FILTER (WHERE state = 'confirmed') AS confirmed,
    coalesce(sum(fee_fen / cardinality(slots)) FILTER (WHERE state <> 'confirmed'), 0)::bigint
        AS held_fen,
    coalesce(sum(fee_fen / cardinality(slots)) FILTER (WHERE state = 'confirmed'), 0)::bigint
        AS confirmed_fen
FROM enrollment.enrollment_order
CROSS JOIN unnest(course_codes, slots) AS course (code, slot)
WHERE session_code = $1 AND state IN ('held', 'paying', 'closing', 'confirmed')
GROUP BY county_code, course.slot, course.code
ORDER BY county_code, course.slot, course.code;

-- name: count_candidates
SELECT county_code, count(DISTINCT candidate_id) AS candidates,
    count(DISTINCT candidate_id) FILTER (WHERE state = 'confirmed') AS confirmed
FROM enrollment.enrollment_order
WHERE session_code = $1 AND state IN ('held', 'paying', 'closing', 'confirmed')
GROUP BY county_code;

-- name: count_capacities
SELECT county_code, slot, capacity
FROM enrollment.seat_ledger
WHERE session_code = $1
ORDER BY county_code, slot;

-- Of the sessions $1; orders that were released are as many as ever there were.
-- name: count_orders
SELECT session_code, state, count(*) AS orders
FROM enrollment.enrollment_order
WHERE session_code = ANY ($1::text[]) AND state IN ('held', 'paying', 'closing')
GROUP BY session_code, state
UNION ALL
SELECT session_code, 'confirmed' AS state, count(*) AS orders
FROM enrollment.enrollment_order
WHERE session_code = ANY ($1::text[]) AND state = 'confirmed'
GROUP BY session_code;
