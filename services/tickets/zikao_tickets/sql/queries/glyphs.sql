-- Another number for other pictures.
-- name: sum_supplied_glyphs
SELECT coalesce(sum(hashtextextended(character || encode(png_sha256, 'hex'), 0)), 0)::text
FROM tickets.supplied_glyph;

-- name: count_supplied_glyphs
SELECT count(*) FROM tickets.supplied_glyph;

-- name: list_supplied_glyphs
SELECT character, png FROM tickets.supplied_glyph;

-- name: lock_supplied_glyphs
SELECT pg_advisory_xact_lock(hashtextextended('tickets.supplied_glyph', 0));

-- name: find_supplied_glyph
SELECT png_sha256, county_prefix FROM tickets.supplied_glyph WHERE character = $1;

-- name: supply_glyph
INSERT INTO tickets.supplied_glyph
    (character, png, png_sha256, supplied_by, supplied_at, county_prefix)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (character) DO UPDATE SET
    png = excluded.png, png_sha256 = excluded.png_sha256, supplied_by = excluded.supplied_by,
    supplied_at = excluded.supplied_at, county_prefix = excluded.county_prefix;

-- Whether a ticket in force of counties that begin so waits for a character.
-- name: is_glyph_wanted
SELECT EXISTS (
    SELECT 1
    FROM tickets.unprintable
    JOIN tickets.ticket USING (session_code, candidate_id)
    WHERE unprintable.session_code = $1
        AND unprintable.reason = 'NAME_NOT_PRINTABLE'
        AND strpos(unprintable.detail, $3) > 0
        AND ticket.revoked_at IS NULL
        AND starts_with(ticket.county_code, $2)
);

-- Tickets in force whose names nobody has looked at.
-- name: list_unchecked_names
SELECT ticket.session_code, ticket.candidate_id, ticket.version, ticket.ticket_number,
    coalesce(ticket.personal_enc, candidate.personal_enc) AS personal_enc
FROM tickets.ticket
JOIN tickets.candidate USING (candidate_id)
WHERE ticket.name_checked_at IS NULL AND ticket.revoked_at IS NULL
ORDER BY ticket.session_code, ticket.candidate_id
LIMIT $1;

-- name: mark_names_checked
UPDATE tickets.ticket SET name_checked_at = $4
FROM unnest($1::text[], $2::uuid[], $3::integer[]) AS looked (session_code, candidate_id, version)
WHERE ticket.session_code = looked.session_code
    AND ticket.candidate_id = looked.candidate_id
    AND ticket.version = looked.version;

-- name: note_unprintable_names
INSERT INTO tickets.unprintable
    (session_code, candidate_id, ticket_number, reason, detail, noted_at)
SELECT given.session_code, given.candidate_id, given.ticket_number, 'NAME_NOT_PRINTABLE',
    given.characters, $5
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[])
    AS given (session_code, candidate_id, ticket_number, characters)
ON CONFLICT (session_code, candidate_id) DO UPDATE SET
    reason = excluded.reason, detail = excluded.detail, noted_at = excluded.noted_at;

-- name: clear_unprintable_names
DELETE FROM tickets.unprintable
USING unnest($1::text[], $2::uuid[]) AS drawn (session_code, candidate_id)
WHERE unprintable.session_code = drawn.session_code
    AND unprintable.candidate_id = drawn.candidate_id
    AND unprintable.reason = 'NAME_NOT_PRINTABLE';

-- Names on the list are looked at again: of counties that begin so, with a character; NULL for all.
-- name: recheck_names
UPDATE tickets.ticket SET name_checked_at = NULL
FROM tickets.unprintable
WHERE unprintable.session_code = ticket.session_code
    AND unprintable.candidate_id = ticket.candidate_id
    AND unprintable.reason = 'NAME_NOT_PRINTABLE'
    AND ticket.revoked_at IS NULL
    AND ($1::text IS NULL OR ticket.session_code = $1)
    AND ($2::text IS NULL OR starts_with(ticket.county_code, $2))
    AND ($3::text IS NULL OR strpos(unprintable.detail, $3) > 0)
RETURNING ticket.candidate_id;

-- Tickets whose photo has come since it was missed.
-- name: clear_arrived_photos
DELETE FROM tickets.unprintable
USING tickets.ticket, tickets.candidate, tickets.photo
WHERE unprintable.session_code = $1
    AND unprintable.reason = 'PHOTO_PENDING'
    AND ticket.session_code = unprintable.session_code
    AND ticket.candidate_id = unprintable.candidate_id
    AND ticket.revoked_at IS NULL
    AND starts_with(ticket.county_code, $2)
    AND candidate.candidate_id = unprintable.candidate_id
    AND photo.candidate_id = candidate.candidate_id
    AND photo.sha256 = candidate.photo_sha256
RETURNING unprintable.candidate_id;

-- name: list_unprintable
SELECT unprintable.ticket_number, ticket.county_code, unprintable.reason,
    unprintable.detail AS characters, unprintable.noted_at
FROM tickets.unprintable
JOIN tickets.ticket USING (session_code, candidate_id)
WHERE unprintable.session_code = $1
    AND ticket.revoked_at IS NULL
    AND starts_with(ticket.county_code, $2)
    AND ($3::text IS NULL OR unprintable.reason = $3)
    AND unprintable.ticket_number > $4
ORDER BY unprintable.ticket_number
LIMIT $5;

-- name: count_unprintable
SELECT unprintable.session_code, unprintable.reason, count(*) AS tickets
FROM tickets.unprintable
JOIN tickets.ticket USING (session_code, candidate_id)
WHERE ticket.revoked_at IS NULL
GROUP BY unprintable.session_code, unprintable.reason;
