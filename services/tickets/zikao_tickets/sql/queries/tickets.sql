-- name: acknowledge_notice
INSERT INTO tickets.notice_acknowledgement (session_code, candidate_id, version, acknowledged_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (session_code, candidate_id, version) DO NOTHING;

-- name: has_acknowledged
SELECT EXISTS (
    SELECT 1
    FROM tickets.notice_acknowledgement
    WHERE session_code = $1 AND candidate_id = $2 AND version = $3
);

-- name: load_ticket
SELECT ticket.candidate_id, ticket.version, ticket.arrangement_id, ticket.ticket_number,
    ticket.serial, ticket.issued_at, ticket.proof, ticket.kind, ticket.without_photo,
    ticket.glyphs,
    coalesce(ticket.personal_enc, candidate.personal_enc) AS personal_enc, photo.jpeg_enc
FROM tickets.ticket
JOIN tickets.candidate USING (candidate_id)
LEFT JOIN tickets.photo
    ON photo.candidate_id = ticket.candidate_id
    AND photo.sha256 = coalesce(ticket.photo_sha256, candidate.photo_sha256)
WHERE ticket.session_code = $1 AND ticket.candidate_id = $2 AND ticket.revoked_at IS NULL;

-- name: list_ticket_seats
SELECT seat.candidate_id, seat.slot, seat.course_code, seat.site_code, seat.room_code,
    seat.seat_number, room.capacity, site.county_name, site.name AS site_name, site.address
FROM unnest($1::uuid[], $2::uuid[]) AS wanted (arrangement_id, candidate_id)
JOIN tickets.seat USING (arrangement_id, candidate_id)
JOIN tickets.room USING (session_code, site_code, room_code)
JOIN tickets.site USING (session_code, site_code)
ORDER BY seat.candidate_id, seat.slot;

-- Keys that count, of some; none of them is retired until the transaction ends. Before the tickets:
-- whoever retires a key takes them in the same order.
-- name: share_proof_keys
SELECT key_id
FROM tickets.proof_key
WHERE key_id = ANY ($1::text[]) AND retired_at IS NULL
FOR SHARE;

-- Versions as they stand, which nobody changes until the transaction ends.
-- name: lock_versions
SELECT ticket.candidate_id, ticket.proof, ticket.personal_enc, ticket.photo_sha256, ticket.glyphs,
    ticket.revoked_at IS NOT NULL AS is_revoked
FROM unnest($2::uuid[], $3::integer[]) AS given (candidate_id, version)
JOIN tickets.ticket USING (candidate_id, version)
WHERE ticket.session_code = $1
ORDER BY ticket.candidate_id
FOR UPDATE OF ticket;

-- The first print stays: printing again gives the same ticket, whatever changes later.
-- name: save_first_prints
UPDATE tickets.ticket
SET proof = given.proof, personal_enc = given.personal_enc, photo_sha256 = given.photo_sha256,
    proof_key_id = given.proof_key_id, glyphs = given.glyphs
FROM unnest(
    $2::uuid[], $3::integer[], $4::text[], $5::bytea[], $6::bytea[], $7::text[], $8::bytea[]
) AS given (candidate_id, version, proof, personal_enc, photo_sha256, proof_key_id, glyphs)
WHERE ticket.session_code = $1 AND ticket.candidate_id = given.candidate_id
    AND ticket.version = given.version AND ticket.proof IS NULL;

-- Pictures of a first print.
-- name: keep_printed_glyphs
INSERT INTO tickets.printed_glyph (glyph_sha256, character, png)
SELECT glyph_sha256, character, png
FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS given (glyph_sha256, character, png)
ON CONFLICT (glyph_sha256) DO NOTHING;

-- name: find_printed_glyphs
SELECT glyph_sha256, character, png
FROM tickets.printed_glyph
WHERE glyph_sha256 = ANY ($1::bytea[])
ORDER BY character;

-- name: log_prints
INSERT INTO tickets.print_log (session_code, candidate_id, version, printed_at, printed_by)
SELECT $1, given.candidate_id, given.version, $4, $5
FROM unnest($2::uuid[], $3::integer[]) AS given (candidate_id, version);

-- name: count_prints
SELECT count(*)
FROM tickets.print_log
WHERE session_code = $1 AND candidate_id = $2 AND version = $3;

-- name: note_unprintable
INSERT INTO tickets.unprintable
    (session_code, candidate_id, ticket_number, reason, detail, noted_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (session_code, candidate_id) DO UPDATE SET
    reason = excluded.reason, detail = excluded.detail, noted_at = excluded.noted_at;

-- name: clear_unprintable
DELETE FROM tickets.unprintable WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]);

-- Who holds or held a version; the photo is there also where it was printed without.
-- name: find_bearer
SELECT ticket.candidate_id, ticket.county_code, ticket.revoked_at IS NOT NULL AS is_revoked,
    coalesce(ticket.personal_enc, candidate.personal_enc) AS personal_enc, photo.jpeg_enc
FROM tickets.ticket
JOIN tickets.candidate USING (candidate_id)
LEFT JOIN tickets.photo
    ON photo.candidate_id = ticket.candidate_id
    AND photo.sha256 = CASE
        WHEN ticket.without_photo THEN candidate.photo_sha256
        ELSE coalesce(ticket.photo_sha256, candidate.photo_sha256)
    END
WHERE ticket.session_code = $1 AND ticket.ticket_number = $2 AND ticket.version = $3;

-- name: log_verification
INSERT INTO tickets.verification
    (session_code, ticket_number, version, verdict, verified_at, verified_by)
VALUES ($1, $2, $3, $4, $5, $6);

-- Pictures of characters that no font has.
-- name: find_supplied_glyphs
SELECT character, png
FROM tickets.supplied_glyph
WHERE character = ANY ($1::text[])
ORDER BY character;
