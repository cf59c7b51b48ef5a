-- Of two scans of a ticket in one slot the second sees the first.
-- name: lock_scanned_ticket
SELECT pg_advisory_xact_lock(hashtextextended('tickets.scan:' || $1 || ':' || $2 || ':' || $3, 0));

-- Scans of tickets that were issued; which county did is the ticket's.
-- name: insert_scans
INSERT INTO tickets.scan
    (scan_id, session_code, slot, ticket_number, version, county_code, site_code, room_code,
    device, scanned_at, received_at, uploaded)
SELECT given.scan_id, given.session_code, given.slot, given.ticket_number, given.version,
    ticket.county_code, given.site_code, given.room_code, given.device, given.scanned_at, $10, $11
FROM unnest(
    $1::uuid[], $2::text[], $3::integer[], $4::text[], $5::integer[], $6::text[], $7::text[],
    $8::text[], $9::timestamptz[]
) AS given (
    scan_id, session_code, slot, ticket_number, version, site_code, room_code, device, scanned_at
)
JOIN tickets.ticket USING (session_code, ticket_number, version)
ON CONFLICT (scan_id) DO NOTHING
RETURNING scan_id;

-- name: list_scans_by_id
SELECT scan_id, session_code, slot, ticket_number, version, site_code, room_code, device,
    scanned_at
FROM tickets.scan
WHERE scan_id = ANY ($1::uuid[]);

-- name: list_other_scans
SELECT site_code, room_code, device, scanned_at, version
FROM tickets.scan
WHERE session_code = $1 AND ticket_number = $2 AND slot = $3 AND scan_id <> $4
ORDER BY scanned_at DESC, scan_id
LIMIT $5;

-- Tickets scanned more than once in a slot, but for those at one door within the time $4, and those
-- scanned in a version that had been revoked; after the slot and number $5 and $6. Who comes through
-- the gate of a site, which has no room, goes on to one room there.
-- name: list_duplicate_scans
SELECT *
FROM (
    SELECT scan.slot, scan.ticket_number, max(scan.county_code) AS county_code,
        count(*) AS scan_count,
        count(DISTINCT scan.site_code) > 1
            OR count(DISTINCT nullif(scan.room_code, '')) > 1 AS other_place,
        count(DISTINCT scan.version) > 1 AS other_version,
        max(scan.since_first_here) > $4::interval AS later,
        bool_or(ticket.revoked_at IS NOT NULL AND ticket.revoked_at < scan.scanned_at) AS revoked
    FROM (
        SELECT *, scanned_at - min(scanned_at) OVER (
            PARTITION BY slot, ticket_number, site_code, room_code
        ) AS since_first_here
        FROM tickets.scan
        WHERE session_code = $1
            AND starts_with(county_code, $2)
            AND ($3::integer IS NULL OR slot = $3)
            AND (slot, ticket_number) > ($5, $6)
    ) AS scan
    JOIN tickets.ticket USING (session_code, ticket_number, version)
    GROUP BY scan.slot, scan.ticket_number
) AS scanned
WHERE other_place OR other_version OR later OR revoked
ORDER BY slot, ticket_number
LIMIT $7;

-- The first scans of each of some tickets.
-- name: list_scans_of_tickets
SELECT wanted.slot, wanted.ticket_number, scan.site_code, scan.room_code, scan.device,
    scan.scanned_at, scan.version
FROM unnest($2::integer[], $3::text[]) AS wanted (slot, ticket_number)
CROSS JOIN LATERAL (
    SELECT *
    FROM tickets.scan
    WHERE scan.session_code = $1
        AND scan.ticket_number = wanted.ticket_number
        AND scan.slot = wanted.slot
    ORDER BY scan.scanned_at, scan.scan_id
    LIMIT $4
) AS scan
ORDER BY wanted.slot, wanted.ticket_number, scan.scanned_at, scan.scan_id;
