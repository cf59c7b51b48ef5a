-- The last event of a candidate in a batch counts; the caller gives each candidate once.
-- name: save_candidates
INSERT INTO tickets.candidate
    (candidate_id, ticket_number, personal_enc, photo_sha256)
SELECT given.candidate_id, given.ticket_number, given.personal_enc, given.photo_sha256
FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::bytea[])
    AS given (candidate_id, ticket_number, personal_enc, photo_sha256)
ON CONFLICT (candidate_id) DO UPDATE SET
    ticket_number = excluded.ticket_number, personal_enc = excluded.personal_enc,
    photo_sha256 = excluded.photo_sha256, photo_asked_at = NULL;

-- name: delete_sittings
DELETE FROM tickets.sitting
USING unnest($1::text[], $2::uuid[]) AS changed (session_code, candidate_id)
WHERE sitting.session_code = changed.session_code
    AND sitting.candidate_id = changed.candidate_id;

-- name: insert_sittings
INSERT INTO tickets.sitting (session_code, candidate_id, slot, county_code, course_code)
SELECT given.session_code, given.candidate_id, given.slot, given.county_code, given.course_code
FROM unnest($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::text[])
    AS given (session_code, candidate_id, slot, county_code, course_code);

-- Changes whenever a feed has brought something.
-- name: load_feed_position
SELECT coalesce(string_agg(cursor, ' ' ORDER BY source), '') FROM tickets.feed_cursor;

-- Those who were asked for in vain come again after a while; two processes ask for different ones.
-- name: take_missing_photos
UPDATE tickets.candidate SET photo_asked_at = clock_timestamp()
WHERE candidate_id IN (
    SELECT candidate.candidate_id
    FROM tickets.candidate
    LEFT JOIN tickets.photo
        ON photo.candidate_id = candidate.candidate_id AND photo.sha256 = candidate.photo_sha256
    WHERE photo.candidate_id IS NULL
        AND candidate.photo_sha256 <> ''::bytea
        AND (
            candidate.photo_asked_at IS NULL
            OR candidate.photo_asked_at < clock_timestamp() - $1::interval
        )
        AND EXISTS (
            SELECT 1 FROM tickets.sitting WHERE sitting.candidate_id = candidate.candidate_id
        )
    LIMIT $2
    FOR UPDATE OF candidate SKIP LOCKED
)
RETURNING candidate_id;

-- name: save_photos
INSERT INTO tickets.photo (candidate_id, sha256, jpeg_enc, fetched_at)
SELECT given.candidate_id, given.sha256, given.jpeg_enc, $4
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[]) AS given (candidate_id, sha256, jpeg_enc)
ON CONFLICT (candidate_id, sha256) DO NOTHING;
