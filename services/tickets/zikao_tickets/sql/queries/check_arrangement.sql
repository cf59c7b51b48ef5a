-- The independent checker: knows nothing of how seats were found, only what must hold
-- (DOMAIN section 5). One row a violation; none when the arrangement may be published.

-- Until the end of the transaction. Seats that were written a moment ago are in no statistics yet: to
-- the planner there is one, and it would look through all sittings for each of them.
-- name: join_by_hashing
SELECT set_config('enable_nestloop', $1, true);

-- What is counted is compared with what the arrangement says of itself. `base` has the seats that
-- were in force when it was made, unless it was made anew; `changed` whose own wishes, room or need
-- of a seat have changed since: only they may be seated freely.
-- name: check_arrangement
WITH plan AS MATERIALIZED (
    SELECT arrangement_id, session_code, county_code, candidates, sittings, rooms, packs,
        site_changes, changers, changed, moved, late_shares, seeded_on, seed_sha256,
        CASE WHEN NOT anew THEN based_on END AS based_on
    FROM tickets.arrangement
    WHERE arrangement_id = $1
),
taken AS MATERIALIZED (
    SELECT slot, session_code, site_code, room_code, seat_number, candidate_id, course_code, late
    FROM tickets.seat
    WHERE arrangement_id = $1
),
wanted AS MATERIALIZED (
    SELECT slot, candidate_id, course_code
    FROM tickets.sitting
    WHERE session_code = (SELECT session_code FROM plan)
        AND county_code = (SELECT county_code FROM plan)
),
needs AS MATERIALIZED (
    SELECT candidate_id
    FROM tickets.accommodation
    WHERE session_code = (SELECT session_code FROM plan)
),
-- A course in a room, what the room is, and the seats that are taken. Few rows: what is asked of a
-- room is asked of them.
share AS MATERIALIZED (
    SELECT share.slot, share.site_code, share.room_code, share.course_code, share.people,
        share.late, share.all_late, share.seats, room.capacity, room.numbering, room.use,
        room.accessible, site.county_code
    FROM (
        SELECT slot, session_code, site_code, room_code, course_code, count(*) AS people,
            bool_or(late) AS late, bool_and(late) AS all_late,
            array_agg(seat_number) AS seats
        FROM taken
        GROUP BY slot, session_code, site_code, room_code, course_code
    ) AS share
    -- By key: a county has few of a session's rooms.
    LEFT JOIN LATERAL (
        SELECT capacity, numbering, use, accessible
        FROM tickets.room
        WHERE room.session_code = share.session_code
            AND room.site_code = share.site_code
            AND room.room_code = share.room_code
        LIMIT 1
    ) AS room ON true
    LEFT JOIN tickets.site USING (session_code, site_code)
),
base AS MATERIALIZED (
    SELECT old.slot, old.site_code, old.room_code, old.seat_number, old.candidate_id,
        old.course_code,
        coalesce(room.use = 'closed' OR site.county_code <> plan.county_code, true)
            OR (
                needs.candidate_id IS NOT NULL AND old.seat_number <> ALL (room.accessible)
            ) AS unusable
    FROM plan
    JOIN tickets.seat AS old ON old.arrangement_id = (SELECT based_on FROM plan)
    LEFT JOIN tickets.room
        ON room.session_code = old.session_code
        AND room.site_code = old.site_code
        AND room.room_code = old.room_code
    LEFT JOIN tickets.site
        ON site.session_code = old.session_code AND site.site_code = old.site_code
    LEFT JOIN needs ON needs.candidate_id = old.candidate_id
),
base_share AS MATERIALIZED (
    SELECT slot, site_code, room_code, course_code, count(*) AS people
    FROM base
    GROUP BY slot, site_code, room_code, course_code
),
changed AS MATERIALIZED (
    SELECT coalesce(base.candidate_id, taken.candidate_id) AS candidate_id
    FROM base
    FULL JOIN taken USING (slot, candidate_id, course_code)
    WHERE (base.candidate_id IS NULL OR taken.candidate_id IS NULL OR base.unusable)
        AND EXISTS (SELECT 1 FROM plan WHERE based_on IS NOT NULL)
    GROUP BY 1
),
moved AS MATERIALIZED (
    SELECT DISTINCT base.candidate_id
    FROM base
    JOIN taken USING (slot, candidate_id)
    WHERE (base.site_code, base.room_code, base.seat_number)
            <> (taken.site_code, taken.room_code, taken.seat_number)
        AND base.candidate_id NOT IN (SELECT candidate_id FROM changed)
),
homes AS (
    SELECT candidate_id, sum(sittings) - max(sittings) AS away
    FROM (
        SELECT candidate_id, site_code, count(*) AS sittings
        FROM taken
        GROUP BY candidate_id, site_code
    ) AS at_site
    GROUP BY candidate_id
),
counted AS MATERIALIZED (
    SELECT (SELECT count(*) FROM homes) AS candidates,
        (SELECT count(*) FROM taken) AS sittings,
        (SELECT count(*) FROM (SELECT DISTINCT slot, site_code, room_code FROM share) AS used)
            AS rooms,
        (SELECT count(*) FROM share) AS packs,
        (SELECT coalesce(sum(away), 0) FROM homes) AS site_changes,
        (SELECT count(*) FROM homes WHERE away > 0) AS changers,
        (SELECT count(*) FROM changed) AS changed,
        (SELECT count(*) FROM moved) AS moved,
        (SELECT count(*) FROM share WHERE late) AS late_shares
)
SELECT CASE WHEN taken.slot IS NULL THEN 'sitting_without_seat' ELSE 'seat_without_sitting' END
        AS violation,
    slot, candidate_id::text AS subject
FROM wanted
FULL JOIN taken USING (slot, candidate_id, course_code)
WHERE wanted.slot IS NULL OR taken.slot IS NULL
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
FROM share
CROSS JOIN unnest(seats) AS seat_number
WHERE seat_number > capacity
UNION ALL
SELECT 'seat_not_in_layout', slot, site_code || '/' || room_code || '/' || seat_number
FROM share
CROSS JOIN unnest(seats) AS seat_number
WHERE seat_number <> ALL (numbering)
UNION ALL
SELECT DISTINCT 'room_unknown', slot, site_code || '/' || room_code
FROM share
WHERE capacity IS NULL
UNION ALL
SELECT DISTINCT 'room_of_another_county', slot, site_code || '/' || room_code
FROM share
WHERE county_code <> (SELECT county_code FROM plan)
UNION ALL
SELECT DISTINCT 'closed_room', slot, site_code || '/' || room_code
FROM share
WHERE use = 'closed'
UNION ALL
SELECT DISTINCT 'reserve_room', share.slot, share.site_code || '/' || share.room_code
FROM share
LEFT JOIN base_share USING (slot, site_code, room_code)
WHERE share.use = 'reserve' AND NOT share.all_late AND base_share.slot IS NULL
UNION ALL
SELECT 'accessible_seat_missing', taken.slot, taken.candidate_id::text
FROM taken
JOIN needs USING (candidate_id)
JOIN share USING (slot, site_code, room_code, course_code)
WHERE taken.seat_number <> ALL (share.accessible)
UNION ALL
SELECT 'too_many_courses_in_room', slot, site_code || '/' || room_code
FROM share
GROUP BY slot, site_code, room_code
HAVING count(*) > 6
UNION ALL
SELECT 'remainder_split', share.slot, share.course_code
FROM share
LEFT JOIN base_share USING (slot, site_code, room_code, course_code)
WHERE share.people < share.capacity
    AND NOT share.late
    AND coalesce(base_share.people < share.capacity, true)
GROUP BY share.slot, share.course_code
HAVING count(*) > 1
UNION ALL
SELECT 'course_in_two_slots', min(slot), course_code
FROM share
GROUP BY course_code
HAVING count(DISTINCT slot) > 1
UNION ALL
SELECT 'session_of_seat_differs', slot, candidate_id::text
FROM taken
WHERE session_code <> (SELECT session_code FROM plan)
UNION ALL
SELECT 'late_without_base', slot, candidate_id::text
FROM taken
WHERE late AND (SELECT based_on FROM plan) IS NULL
UNION ALL
SELECT 'moved_too_many', 0, counted.moved || '>3*' || counted.changed
FROM counted
WHERE counted.moved > 3 * counted.changed
UNION ALL
SELECT 'another_seed', 0, first.arrangement_id::text
FROM plan
JOIN tickets.arrangement AS first USING (session_code, county_code)
WHERE first.fixes_seed
    AND first.seeded_on IS NOT DISTINCT FROM plan.seeded_on
    AND first.seed_sha256 <> plan.seed_sha256
UNION ALL
SELECT miscount.violation, 0, miscount.said || '<>' || miscount.found
FROM plan
CROSS JOIN counted
CROSS JOIN LATERAL (
    VALUES
        ('seats_miscounted', plan.candidates, counted.candidates),
        ('seats_miscounted', plan.sittings, counted.sittings),
        ('rooms_miscounted', plan.rooms, counted.rooms),
        ('packs_miscounted', plan.packs, counted.packs),
        ('site_changes_miscounted', plan.site_changes, counted.site_changes),
        ('site_changes_miscounted', plan.changers, counted.changers),
        ('late_changes_miscounted', plan.changed, counted.changed),
        ('late_changes_miscounted', plan.moved, counted.moved),
        ('late_changes_miscounted', plan.late_shares, counted.late_shares)
) AS miscount (violation, said, found)
WHERE miscount.said <> miscount.found
ORDER BY 1, 2, 3;
