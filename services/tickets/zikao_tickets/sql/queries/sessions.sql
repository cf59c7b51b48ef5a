-- name: lock_session
SELECT body::text AS body FROM tickets.session WHERE session_code = $1 FOR NO KEY UPDATE;

-- name: load_session
SELECT body::text AS body FROM tickets.session WHERE session_code = $1;

-- Keeps the rooms as they are until the end of the transaction.
-- name: hold_session
SELECT session_code FROM tickets.session WHERE session_code = $1 FOR SHARE;

-- name: save_session
INSERT INTO tickets.session (session_code, body, applied_at)
VALUES ($1, $2::text::jsonb, $3)
ON CONFLICT (session_code) DO UPDATE SET body = excluded.body, applied_at = excluded.applied_at;

-- name: list_sites
SELECT site_code, county_code, county_name, name, address
FROM tickets.site
WHERE session_code = $1
ORDER BY position;

-- name: list_rooms
SELECT site_code, room_code, columns, rows, layout, numbering, accessible, use
FROM tickets.room
WHERE session_code = $1
ORDER BY site_code, position;

-- All in which anybody may sit.
-- name: list_county_rooms
SELECT room.site_code, room.room_code, room.capacity, room.accessible, room.use
FROM tickets.room
JOIN tickets.site USING (session_code, site_code)
WHERE site.session_code = $1 AND site.county_code = $2 AND room.use <> 'closed'
ORDER BY site.position, room.position;

-- Rooms in which an arrangement has seated people: they may not go or shrink.
-- name: list_rooms_in_use
SELECT site_code, room_code, max(seat_number) AS highest_seat
FROM tickets.seat
WHERE session_code = $1
GROUP BY site_code, room_code;

-- name: list_courses_in_use
SELECT DISTINCT slot, course_code FROM tickets.sitting WHERE session_code = $1;

-- name: delete_rooms
DELETE FROM tickets.room
USING unnest($2::text[], $3::text[]) AS gone (site_code, room_code)
WHERE room.session_code = $1
    AND room.site_code = gone.site_code AND room.room_code = gone.room_code;

-- name: delete_sites
DELETE FROM tickets.site WHERE session_code = $1 AND site_code = ANY ($2::text[]);

-- name: save_sites
INSERT INTO tickets.site
    (session_code, site_code, county_code, county_name, name, address, position)
SELECT $1, given.site_code, given.county_code, given.county_name, given.name, given.address,
    given.position
FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
    WITH ORDINALITY AS given (site_code, county_code, county_name, name, address, position)
ON CONFLICT (session_code, site_code) DO UPDATE SET
    county_code = excluded.county_code, county_name = excluded.county_name,
    name = excluded.name, address = excluded.address, position = excluded.position;

-- Why a room is used as it is goes with another use.
-- name: save_rooms
INSERT INTO tickets.room
    (session_code, site_code, room_code, columns, rows, position, layout, numbering, accessible, use)
SELECT $1, given.site_code, given.room_code, given.columns, given.rows, given.position,
    given.layout, given.numbering::integer[], given.accessible::integer[], given.use
FROM unnest(
    $2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[], $7::text[], $8::text[],
    $9::text[]
) WITH ORDINALITY AS given
    (site_code, room_code, columns, rows, layout, numbering, accessible, use, position)
ON CONFLICT (session_code, site_code, room_code) DO UPDATE SET
    columns = excluded.columns, rows = excluded.rows, position = excluded.position,
    layout = excluded.layout, numbering = excluded.numbering, accessible = excluded.accessible,
    use = excluded.use,
    use_reason = CASE WHEN room.use = excluded.use THEN room.use_reason ELSE '' END;
