-- name: insert_document
INSERT INTO tickets.document
    (document_id, session_code, county_code, kind, site_code, slot, arrangement_id, as_of, total,
    started_by, notice_version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: load_document
SELECT position, document_id, session_code, county_code, kind, site_code, slot, arrangement_id,
    as_of, total, state, started_by, notice_version
FROM tickets.document
WHERE document_id = $1;

-- Against a cancellation while a part is noted.
-- name: lock_document
SELECT position, document_id, session_code, county_code, kind, site_code, slot, arrangement_id,
    as_of, total, state, started_by, notice_version
FROM tickets.document
WHERE document_id = $1
FOR UPDATE;

-- name: set_document_state
UPDATE tickets.document SET state = $2 WHERE document_id = $1;

-- One of which a part is just being noted is left for later.
-- name: delete_old_documents
WITH old AS (
    SELECT document_id
    FROM tickets.document
    WHERE as_of < $1
    ORDER BY position
    LIMIT $2
    FOR UPDATE SKIP LOCKED
),
parts AS (
    DELETE FROM tickets.document_part USING old WHERE document_part.document_id = old.document_id
)
DELETE FROM tickets.document USING old WHERE document.document_id = old.document_id;

-- name: list_documents
SELECT position, document_id, session_code, county_code, kind, site_code, slot, arrangement_id,
    as_of, total, state, started_by, notice_version
FROM tickets.document
WHERE session_code = $1 AND county_code LIKE $2 || '%'
    AND ($3::bigint IS NULL OR position < $3)
ORDER BY position DESC
LIMIT $4;

-- name: document_progress
SELECT document_id, max(done) AS done, sum(pages)::integer AS pages, sum(size)::bigint AS size,
    sum(jsonb_array_length(left_out))::integer AS left_out
FROM tickets.document_part
WHERE document_id = ANY ($1::uuid[])
GROUP BY document_id;

-- name: load_document_part
SELECT part, first, last, done, pages, size, sha256, growth_enc, left_out::text AS left_out
FROM tickets.document_part
WHERE document_id = $1 AND part = $2;

-- name: list_document_growths
SELECT part, growth_enc FROM tickets.document_part WHERE document_id = $1 ORDER BY part;

-- name: count_document_parts
SELECT count(*) FROM tickets.document_part WHERE document_id = $1;

-- name: insert_document_part
INSERT INTO tickets.document_part
    (document_id, part, first, last, done, pages, size, sha256, growth_enc, left_out)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb);

-- name: count_document_tickets
SELECT count(*)
FROM tickets.ticket
WHERE session_code = $1 AND county_code = $2 AND issued_at <= $3
    AND (revoked_at IS NULL OR revoked_at > $3);

-- The tickets that were in force at a moment, between two numbers.
-- name: list_document_tickets
SELECT ticket.candidate_id, ticket.version, ticket.arrangement_id, ticket.ticket_number,
    ticket.serial, ticket.issued_at, ticket.proof, ticket.kind, ticket.without_photo,
    ticket.glyphs,
    coalesce(ticket.personal_enc, candidate.personal_enc) AS personal_enc, photo.jpeg_enc
FROM tickets.ticket
JOIN tickets.candidate USING (candidate_id)
LEFT JOIN tickets.photo
    ON photo.candidate_id = ticket.candidate_id
    AND photo.sha256 = coalesce(ticket.photo_sha256, candidate.photo_sha256)
WHERE ticket.session_code = $1 AND ticket.county_code = $2 AND ticket.issued_at <= $3
    AND (ticket.revoked_at IS NULL OR ticket.revoked_at > $3)
    AND ticket.ticket_number > $4 AND ($5::text IS NULL OR ticket.ticket_number <= $5)
ORDER BY ticket.ticket_number
LIMIT $6;

-- name: count_document_rooms
SELECT count(*)
FROM (
    SELECT DISTINCT slot, site_code, room_code
    FROM tickets.seat
    WHERE arrangement_id = $1 AND ($2::text IS NULL OR site_code = $2)
        AND ($3::integer IS NULL OR slot = $3)
) AS taken;

-- Rooms with somebody in them, in the order of the seats' key, after one of them: so many rooms,
-- and no more once so many people are in those before.
-- name: list_document_rooms
SELECT taken.slot, taken.site_code, taken.room_code, site.county_name, site.name AS site_name,
    room.columns, room.rows, room.layout, room.numbering, room.accessible, room.use
FROM (
    SELECT slot, session_code, site_code, room_code, sum(count(*)) OVER (
        ORDER BY slot, site_code, room_code
    ) AS people_so_far, count(*) AS people
    FROM tickets.seat
    WHERE arrangement_id = $1 AND ($2::text IS NULL OR site_code = $2)
        AND ($3::integer IS NULL OR slot = $3)
        AND (slot, site_code, room_code) > ($4, $5, $6)
    GROUP BY slot, session_code, site_code, room_code
    ORDER BY slot, site_code, room_code
    LIMIT $7
) AS taken
JOIN tickets.room USING (session_code, site_code, room_code)
JOIN tickets.site USING (session_code, site_code)
WHERE taken.people_so_far <= $8 OR taken.people_so_far = taken.people
ORDER BY taken.slot, taken.site_code, taken.room_code;

-- Who sits in some rooms, as it was at a moment; photos only when they are wanted.
-- name: list_document_seats
SELECT seat.slot, seat.site_code, seat.room_code, seat.seat_number, seat.course_code,
    seat.candidate_id, coalesce(ticket.ticket_number, candidate.ticket_number) AS ticket_number,
    coalesce(ticket.personal_enc, candidate.personal_enc) AS personal_enc, photo.jpeg_enc
FROM unnest($2::integer[], $3::text[], $4::text[]) AS wanted (slot, site_code, room_code)
JOIN tickets.seat USING (slot, site_code, room_code)
JOIN tickets.candidate USING (candidate_id)
LEFT JOIN tickets.ticket
    ON ticket.session_code = seat.session_code AND ticket.candidate_id = seat.candidate_id
    AND ticket.issued_at <= $5 AND (ticket.revoked_at IS NULL OR ticket.revoked_at > $5)
LEFT JOIN tickets.photo
    ON $6 AND photo.candidate_id = seat.candidate_id
    AND photo.sha256 = coalesce(ticket.photo_sha256, candidate.photo_sha256)
WHERE seat.arrangement_id = $1
ORDER BY seat.slot, seat.site_code, seat.room_code, seat.seat_number;

-- name: count_document_sites
SELECT count(*)
FROM (
    SELECT DISTINCT slot, site_code
    FROM tickets.seat
    WHERE arrangement_id = $1 AND ($2::text IS NULL OR site_code = $2)
        AND ($3::integer IS NULL OR slot = $3)
) AS taken;

-- Papers by room and course of the next sites and slots.
-- name: list_document_papers
SELECT seat.slot, seat.site_code, site.county_name, site.name AS site_name, seat.room_code,
    seat.course_code, count(*)::integer AS papers
FROM (
    SELECT DISTINCT slot, site_code
    FROM tickets.seat
    WHERE arrangement_id = $1 AND ($2::text IS NULL OR site_code = $2)
        AND ($3::integer IS NULL OR slot = $3)
        AND (slot, site_code) > ($4, $5)
    ORDER BY slot, site_code
    LIMIT $6
) AS wanted
JOIN tickets.seat USING (slot, site_code)
JOIN tickets.site USING (session_code, site_code)
WHERE seat.arrangement_id = $1
GROUP BY seat.slot, seat.site_code, site.county_name, site.name, seat.room_code, seat.course_code
ORDER BY seat.slot, seat.site_code, seat.room_code, seat.course_code;
