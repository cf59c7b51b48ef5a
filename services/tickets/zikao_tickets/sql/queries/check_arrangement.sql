-- The independent checker: knows nothing of how seats were found, only what must hold
-- (DOMAIN section 5). One row a violation; none when the arrangement may be published.

-- name: check_arrangement
WITH plan AS (
    SELECT arrangement_id, session_code, county_code
    FROM tickets.arrangement
    WHERE arrangement_id = $1
),
taken AS (
    SELECT seat.slot, seat.site_code, seat.room_code, seat.seat_number, seat.candidate_id,
        seat.course_code, room.capacity, site.county_code
    FROM tickets.seat
    JOIN tickets.room USING (session_code, site_code, room_code)
    JOIN tickets.site USING (session_code, site_code)
    WHERE seat.arrangement_id = $1
),
wanted AS (
    SELECT sitting.slot, sitting.candidate_id, sitting.course_code
    FROM tickets.sitting
    JOIN plan USING (session_code, county_code)
),
share AS (
    SELECT slot, site_code, room_code, course_code, capacity, count(*) AS people
    FROM taken
    GROUP BY slot, site_code, room_code, course_code, capacity
)
SELECT 'sitting_without_seat' AS violation, wanted.slot, wanted.candidate_id::text AS subject
FROM wanted
LEFT JOIN taken USING (slot, candidate_id, course_code)
WHERE taken.candidate_id IS NULL
UNION ALL
SELECT 'seat_without_sitting', taken.slot, taken.candidate_id::text
FROM taken
LEFT JOIN wanted USING (slot, candidate_id, course_code)
WHERE wanted.candidate_id IS NULL
UNION ALL
SELECT 'two_seats_in_a_slot', slot, candidate_id::text
FROM taken
GROUP BY slot, candidate_id
HAVING count(*) > 1
UNION ALL
SELECT 'seat_taken_twice', slot, site_code || '/' || room_code || '/' || seat_number
FROM taken
GROUP BY slot, site_code, room_code, seat_number
HAVING count(*) > 1
UNION ALL
SELECT 'seat_beyond_room', slot, site_code || '/' || room_code || '/' || seat_number
FROM taken
WHERE seat_number > capacity
UNION ALL
SELECT 'room_of_another_county', taken.slot, taken.site_code || '/' || taken.room_code
FROM taken
CROSS JOIN plan
WHERE taken.county_code <> plan.county_code
UNION ALL
SELECT 'too_many_courses_in_room', slot, site_code || '/' || room_code
FROM share
GROUP BY slot, site_code, room_code
HAVING count(*) > 6
UNION ALL
SELECT 'remainder_split', slot, course_code
FROM share
WHERE people < capacity
GROUP BY slot, course_code
HAVING count(*) > 1
ORDER BY 1, 2, 3;
