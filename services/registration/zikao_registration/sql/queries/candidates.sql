-- name: insert_candidate
INSERT INTO registration.candidate
    (candidate_id, session_code, state, document_type, county_code, track, major_code,
    personal_enc, standing, standing_reason, updated_at)
VALUES ($1, $2, 'draft', $3, '', NULL, '', $4, 'active', '', $5);

-- name: get_candidates
SELECT candidate.candidate_id, candidate.session_code, candidate.state, candidate.document_type,
    candidate.personal_enc, candidate.ticket_number, candidate.standing,
    candidate.standing_reason, candidate.updated_at, candidate.submitted_at,
    candidate.leased_by, candidate.leased_until, candidate.first_approved_by,
    candidate.has_material, photo.sha256 AS photo_sha256
FROM registration.candidate
LEFT JOIN registration.photo ON photo.candidate_id = candidate.candidate_id
WHERE candidate.candidate_id = ANY ($1::uuid[])
ORDER BY candidate.submitted_at, candidate.candidate_id;

-- name: lock_candidate
SELECT candidate_id
FROM registration.candidate
WHERE candidate_id = $1
FOR UPDATE;

-- name: update_candidate
UPDATE registration.candidate
SET state = $2, county_code = $3, track = $4, major_code = $5, personal_enc = $6,
    ticket_number = $7, updated_at = $8, submitted_at = $9, has_material = $10, leased_by = NULL,
    leased_until = NULL, first_approved_by = NULL
WHERE candidate_id = $1;

-- name: save_photo
INSERT INTO registration.photo (candidate_id, sha256, jpeg_enc, uploaded_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (candidate_id) DO UPDATE SET
    sha256 = excluded.sha256, jpeg_enc = excluded.jpeg_enc, uploaded_at = excluded.uploaded_at;

-- name: get_photos
SELECT candidate_id, jpeg_enc
FROM registration.photo
WHERE candidate_id = ANY ($1::uuid[]);

-- name: save_material
INSERT INTO registration.identity_material (candidate_id, jpeg_enc, uploaded_at)
VALUES ($1, $2, $3)
ON CONFLICT (candidate_id) DO UPDATE SET
    jpeg_enc = excluded.jpeg_enc, uploaded_at = excluded.uploaded_at;

-- name: get_material
SELECT jpeg_enc
FROM registration.identity_material
WHERE candidate_id = $1;

-- Of the states $2, and of the states $3 without identity material. The list of states is the
-- index's, and the index alone tells who has material: those wait for weeks, and are passed over
-- at every look. Some at once: what a candidate or an officer holds now comes with the next.
-- name: lock_expired
SELECT candidate_id, state
FROM registration.candidate
WHERE state IN ('draft', 'pending_review', 'pending_confirmation', 'rejected')
    AND (
        (session_code = $1 AND state = ANY ($2::text[]))
        OR (session_code = $1 AND state = ANY ($3::text[]) AND NOT has_material)
    )
LIMIT $4
FOR UPDATE SKIP LOCKED;

-- name: expire_candidates
UPDATE registration.candidate
SET state = $2, updated_at = $3, leased_by = NULL, leased_until = NULL, first_approved_by = NULL
WHERE candidate_id = ANY ($1::uuid[]);

-- Older candidates: approved before there was a session here.
-- name: insert_admitted
INSERT INTO registration.candidate
    (candidate_id, session_code, state, document_type, county_code, track, major_code,
    personal_enc, ticket_number, standing, standing_reason, updated_at)
SELECT admitted.candidate_id, NULL, 'approved', admitted.document_type, admitted.county_code,
    admitted.track, admitted.major_code, admitted.personal_enc, admitted.ticket_number, 'active',
    '', $8
FROM unnest(
    $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bytea[], $7::text[]
) AS admitted (
    candidate_id, document_type, county_code, track, major_code, personal_enc, ticket_number
);

-- The standing stays until another number is assigned.
-- name: move_to_session
UPDATE registration.candidate
SET session_code = $2
WHERE candidate_id = $1;

-- name: delete_material
DELETE FROM registration.identity_material WHERE candidate_id = $1;

-- name: lacks_photo
SELECT EXISTS (
    SELECT 1
    FROM registration.candidate
    WHERE candidate.candidate_id = $1 AND candidate.state = 'approved' AND NOT EXISTS (
        SELECT 1 FROM registration.photo WHERE photo.candidate_id = candidate.candidate_id
    )
);
