-- A line for each candidate in the order of ids: the id, "+" for who needs an accessible seat, and
-- the sittings as slot/course.
-- name: write_roster
SELECT convert_to(coalesce(string_agg(line, '' ORDER BY candidate_id), ''), 'UTF8')
FROM (
    SELECT sitting.candidate_id,
        sitting.candidate_id
            || CASE WHEN bool_or(accommodation.candidate_id IS NOT NULL) THEN '+' ELSE '' END
            || ' ' || string_agg(sitting.slot || '/' || sitting.course_code, ';' ORDER BY slot)
            || E'\n' AS line
    FROM tickets.sitting
    LEFT JOIN tickets.accommodation USING (session_code, candidate_id)
    WHERE sitting.session_code = $1 AND sitting.county_code = $2
    GROUP BY sitting.candidate_id
) AS person;

-- name: list_arrangeable_rooms
SELECT room.site_code, room.room_code, room.capacity, room.accessible, room.use
FROM tickets.room
JOIN tickets.site USING (session_code, site_code)
WHERE site.session_code = $1 AND site.county_code = $2
ORDER BY site.position, room.position;

-- SHA-256 of a line for each seat in the order of slot, site, room and number.
-- name: compute_seats_digest
SELECT sha256(convert_to(coalesce(string_agg(
    concat_ws(' ', slot, site_code, room_code, seat_number, candidate_id, course_code,
        CASE WHEN late THEN 'late' END) || E'\n',
    '' ORDER BY slot, site_code COLLATE "C", room_code COLLATE "C", seat_number
), ''), 'UTF8'))
FROM tickets.seat
WHERE arrangement_id = $1;

-- name: save_plan
INSERT INTO tickets.arrangement_plan (arrangement_id, input_sha256, plan, accessible)
VALUES ($1, $2, $3, $4)
ON CONFLICT (arrangement_id) DO UPDATE SET
    input_sha256 = excluded.input_sha256, plan = excluded.plan, accessible = excluded.accessible;

-- name: load_plan
SELECT input_sha256, plan, accessible FROM tickets.arrangement_plan WHERE arrangement_id = $1;

-- name: delete_slots
DELETE FROM tickets.arrangement_slot WHERE arrangement_id = $1;

-- Arrays of different lengths cannot travel as columns of arrays: they come as JSON.
-- name: insert_slots
INSERT INTO tickets.arrangement_slot
    (arrangement_id, slot, rooms, rooms_bound, proof_kind, denominator, weights, capacities,
    room_counts, prices, packs, packs_bound)
SELECT $1, given.slot, given.rooms, given.rooms_bound, given.proof_kind, given.denominator,
    given.weights, given.capacities, given.room_counts, given.prices, given.packs,
    given.packs_bound
FROM jsonb_to_recordset($2::text::jsonb) AS given (
    slot integer, rooms integer, rooms_bound integer, proof_kind text, denominator bigint,
    weights bigint[], capacities integer[], room_counts integer[], prices bigint[], packs integer,
    packs_bound integer
);

-- name: delete_seats
DELETE FROM tickets.seat WHERE arrangement_id = $1;

-- name: delete_discarded_seats
DELETE FROM tickets.seat WHERE arrangement_id = ANY ($1::uuid[]);

-- name: delete_discarded_plans
DELETE FROM tickets.arrangement_plan WHERE arrangement_id = ANY ($1::uuid[]);

-- name: list_seats
SELECT slot, site_code, room_code, seat_number, candidate_id, course_code, late
FROM tickets.seat
WHERE arrangement_id = $1
ORDER BY slot, site_code, room_code, seat_number;

-- name: list_seats_after
SELECT slot, site_code, room_code, seat_number, candidate_id, course_code, late
FROM tickets.seat
WHERE arrangement_id = $1
ORDER BY slot, site_code, room_code, seat_number
OFFSET $2
LIMIT $3;
