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
