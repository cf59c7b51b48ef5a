-- name: count_sittings
SELECT county_code, slot, count(*) AS sittings
FROM tickets.sitting
WHERE session_code = $1
GROUP BY county_code, slot;

-- name: count_seats
SELECT arrangement.county_code, seat.slot, count(*) AS seats,
    count(DISTINCT (seat.site_code, seat.room_code)) AS rooms
FROM tickets.arrangement
JOIN tickets.seat USING (arrangement_id)
WHERE arrangement.session_code = $1 AND arrangement.state = 'published'
GROUP BY arrangement.county_code, seat.slot;

-- name: count_scans
SELECT county_code, slot, count(DISTINCT ticket_number) AS scanned
FROM tickets.scan
WHERE session_code = $1
GROUP BY county_code, slot;

-- name: count_people
SELECT county_code, count(DISTINCT candidate_id) AS candidates
FROM tickets.sitting
WHERE session_code = $1
GROUP BY county_code;

-- name: count_tickets
SELECT ticket.county_code, count(*) AS tickets, count(ticket.proof) AS printed,
    count(unprintable.candidate_id) AS unprintable
FROM tickets.ticket
LEFT JOIN tickets.unprintable USING (session_code, candidate_id)
WHERE ticket.session_code = $1 AND ticket.revoked_at IS NULL
GROUP BY ticket.county_code;

-- name: count_gaps
SELECT county_code, rooms_bound, site_changes, site_changes_bound
FROM tickets.arrangement
WHERE session_code = $1 AND state = 'published';
