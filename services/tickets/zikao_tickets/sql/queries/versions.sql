-- Every version of a ticket, the newest first. What a publication issued after the first has
-- other seats.
-- name: list_versions
SELECT ticket.candidate_id, ticket.county_code, ticket.version, ticket.serial, ticket.kind,
    CASE
        WHEN ticket.reason = 'arranged' AND ticket.version > 1 THEN 'rearranged'
        ELSE ticket.reason
    END AS reason,
    ticket.issued_at, ticket.issued_by, ticket.revoked_at, ticket.without_photo, (
        SELECT count(*)
        FROM tickets.print_log
        WHERE print_log.session_code = ticket.session_code
            AND print_log.candidate_id = ticket.candidate_id
            AND print_log.version = ticket.version
    ) AS print_count
FROM tickets.ticket
WHERE ticket.session_code = $1
    AND ($2::text IS NULL OR ticket.ticket_number = $2)
    AND ($3::uuid IS NULL OR ticket.candidate_id = $3)
ORDER BY ticket.version DESC;

-- name: count_versions_by_offices
SELECT count(*)
FROM tickets.ticket
WHERE session_code = $1 AND candidate_id = $2 AND issued_by <> '' AND issued_at > $3;

-- Two calls of one officer, who may be at work in several counties, are counted one by one.
-- name: lock_issuing_officer
SELECT pg_advisory_xact_lock(hashtextextended('tickets.versions_by:' || $1, 0));

-- name: count_versions_by_officer
SELECT count(*) FROM tickets.ticket WHERE issued_by = $1 AND issued_by <> '' AND issued_at > $2;

-- name: revoke_versions
UPDATE tickets.ticket SET revoked_at = $3
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]) AND revoked_at IS NULL;

-- The version after the last, with its seats; its serial is the last one's with the version.
-- name: insert_next_versions
INSERT INTO tickets.ticket
    (session_code, candidate_id, version, county_code, arrangement_id, ticket_number, serial,
    issued_at, kind, reason, issued_by, without_photo)
SELECT last.session_code, last.candidate_id, last.version + 1, last.county_code,
    last.arrangement_id, last.ticket_number,
    split_part(last.serial, '/', 1) || '/' || (last.version + 1), $3, coalesce($4, last.kind), $5,
    $6, coalesce($7, last.without_photo)
FROM tickets.ticket AS last
WHERE last.session_code = $1
    AND last.candidate_id = ANY ($2::uuid[])
    AND last.version = (
        SELECT max(version)
        FROM tickets.ticket
        WHERE ticket.session_code = last.session_code
            AND ticket.candidate_id = last.candidate_id
    );

-- name: find_replaced
SELECT version, revoked_at, arrangement_id
FROM tickets.ticket
WHERE session_code = $1 AND candidate_id = $2 AND version < $3 AND revoked_at IS NOT NULL
ORDER BY version DESC
LIMIT 1;

-- Whose tickets a publication has issued or revoked.
-- name: list_changed_tickets
SELECT ticket.candidate_id
FROM tickets.ticket
JOIN tickets.arrangement USING (session_code, county_code)
WHERE arrangement.arrangement_id = $1 AND ticket.revoked_at IS NULL AND ticket.issued_at = $2
UNION
SELECT ticket.candidate_id
FROM tickets.ticket
JOIN tickets.arrangement USING (session_code, county_code)
WHERE arrangement.arrangement_id = $1 AND ticket.revoked_at = $2;

-- Where tickets stand: the version in force, if there is one, and the revoked ones.
-- name: list_ticket_states
SELECT ticket.candidate_id, max(ticket.ticket_number) AS ticket_number,
    (array_agg(ticket.county_code ORDER BY ticket.version DESC))[1] AS county_code,
    array_agg(ticket.version ORDER BY ticket.version)
        FILTER (WHERE ticket.revoked_at IS NOT NULL) AS revoked_versions,
    max(ticket.version) FILTER (WHERE ticket.revoked_at IS NULL) AS version,
    max(ticket.serial) FILTER (WHERE ticket.revoked_at IS NULL) AS serial,
    max(ticket.kind) FILTER (WHERE ticket.revoked_at IS NULL) AS kind,
    max(CASE
        WHEN ticket.reason = 'arranged' AND ticket.version > 1 THEN 'rearranged'
        ELSE ticket.reason
    END) FILTER (WHERE ticket.revoked_at IS NULL) AS reason,
    (array_agg(ticket.arrangement_id) FILTER (WHERE ticket.revoked_at IS NULL))[1]
        AS arrangement_id
FROM tickets.ticket
WHERE ticket.session_code = $1 AND ticket.candidate_id = ANY ($2::uuid[])
GROUP BY ticket.candidate_id;

-- name: list_tickets_of_site
SELECT ticket.candidate_id
FROM tickets.ticket
WHERE ticket.session_code = $1 AND ticket.county_code = $2 AND ticket.revoked_at IS NULL
    AND EXISTS (
        SELECT 1
        FROM tickets.seat
        WHERE seat.arrangement_id = ticket.arrangement_id
            AND seat.candidate_id = ticket.candidate_id
            AND seat.site_code = $3
    )
ORDER BY ticket.candidate_id;
