-- name: list_sites
SELECT site_code, county_code, county_name, name, address
FROM tickets.site
WHERE session_code = $1 AND pg_catalog.starts_with(county_code, $2)
ORDER BY position;

-- name: list_rooms
SELECT room.site_code, room.room_code, room.columns, room.rows, room.layout, room.numbering,
    room.accessible, room.use
FROM tickets.room
JOIN tickets.site USING (session_code, site_code)
WHERE room.session_code = $1 AND pg_catalog.starts_with(site.county_code, $2)
ORDER BY room.site_code, room.position;

-- name: list_sites_page
SELECT site_code, county_code, county_name, name, address, position
FROM tickets.site
WHERE session_code = $1 AND pg_catalog.starts_with(county_code, $2) AND position > $3
ORDER BY position
LIMIT $4;

-- name: list_rooms_of_sites
SELECT site_code, room_code, columns, rows, layout, numbering, accessible, use
FROM tickets.room
WHERE session_code = $1 AND site_code = ANY ($2::text[])
ORDER BY site_code, position;

-- name: list_used_rooms
WITH seated AS (
    SELECT seat.site_code, seat.room_code, count(*) AS sittings
    FROM tickets.site
    JOIN tickets.arrangement USING (session_code, county_code)
    JOIN tickets.seat USING (arrangement_id, session_code, site_code)
    WHERE site.session_code = $1 AND site.site_code = ANY ($2::text[])
        AND arrangement.state = 'published'
    GROUP BY seat.site_code, seat.room_code
)
SELECT room.site_code, room.room_code, room.use, room.use_reason,
    coalesce(seated.sittings, 0) AS sittings
FROM tickets.room
LEFT JOIN seated USING (site_code, room_code)
WHERE room.session_code = $1 AND room.site_code = ANY ($2::text[])
    AND (seated.sittings > 0 OR room.use_reason <> '');

-- name: list_counties_of_sites
SELECT site_code, county_code
FROM tickets.site
WHERE session_code = $1 AND site_code = ANY ($2::text[]);

-- name: list_county_names
SELECT DISTINCT ON (county_code) county_code, county_name
FROM tickets.site
WHERE session_code = $1 AND county_code = ANY ($2::text[])
ORDER BY county_code, position;

-- Rooms of some sites in which seats are in force or about to be: they may not go or change. What is
-- only done holds none: it is checked once more when it is published.
-- name: list_rooms_in_use
SELECT site.site_code, taken.room_code, max(taken.highest_seat) AS highest_seat
FROM tickets.site
JOIN tickets.arrangement USING (session_code, county_code)
CROSS JOIN LATERAL (
    SELECT seat.room_code, max(seat.seat_number) AS highest_seat
    FROM tickets.seat
    WHERE seat.arrangement_id = arrangement.arrangement_id AND seat.site_code = site.site_code
    GROUP BY seat.room_code
) AS taken
WHERE site.session_code = $1 AND site.site_code = ANY ($2::text[])
    AND arrangement.state IN ('published', 'approved')
GROUP BY site.site_code, taken.room_code;

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
    given.position + coalesce((
        SELECT max(other.position)
        FROM tickets.site AS other
        WHERE other.session_code = $1 AND other.site_code <> ALL ($2::text[])
    ), 0)
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

-- name: lock_room
SELECT room.use, room.use_reason
FROM tickets.room
JOIN tickets.site USING (session_code, site_code)
WHERE site.session_code = $1 AND site.county_code = $2 AND site.site_code = $3
    AND room.room_code = $4
FOR UPDATE OF room;

-- name: count_sittings_in_force
SELECT count(*)
FROM tickets.arrangement
JOIN tickets.seat USING (arrangement_id)
WHERE arrangement.session_code = $1 AND arrangement.county_code = $2
    AND arrangement.state = 'published'
    AND seat.site_code = $3 AND seat.room_code = $4;

-- name: set_room_use
UPDATE tickets.room SET use = $4, use_reason = $5
WHERE session_code = $1 AND site_code = $2 AND room_code = $3;

-- name: lock_site
SELECT name, address
FROM tickets.site
WHERE session_code = $1 AND county_code = $2 AND site_code = $3
FOR UPDATE;

-- name: correct_site
UPDATE tickets.site SET name = $3, address = $4 WHERE session_code = $1 AND site_code = $2;
