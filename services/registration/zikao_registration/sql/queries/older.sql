-- name: insert_import
INSERT INTO registration.older_import
    (import_id, scope, source_name, total_rows, replaces, dry_run, started_by, started_at,
    updated_at, last_line, entered, unchanged, replaced, refused)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0, 0, 0, 0, 0)
ON CONFLICT (import_id) DO NOTHING;

-- name: get_import
SELECT import_id, scope, source_name, total_rows, replaces, dry_run, started_at, updated_at,
    last_line, entered, unchanged, replaced, refused
FROM registration.older_import
WHERE import_id = $1;

-- name: lock_import
SELECT import_id FROM registration.older_import WHERE import_id = $1 FOR NO KEY UPDATE;

-- name: update_import
UPDATE registration.older_import
SET updated_at = $2, last_line = $3, entered = $4, unchanged = $5, replaced = $6, refused = $7
WHERE import_id = $1;

-- One that goes on just now is passed over, and is young again.
-- name: delete_old_import
DELETE FROM registration.older_import
WHERE import_id = (
    SELECT import_id
    FROM registration.older_import
    WHERE updated_at < $1
    ORDER BY updated_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
);

-- name: insert_import_problems
INSERT INTO registration.older_import_problem (import_id, line, problems)
SELECT $1, refused.line, pg_catalog.string_to_array(refused.problems, pg_catalog.chr(10))
FROM unnest($2::integer[], $3::text[]) AS refused (line, problems);

-- name: list_import_problems
SELECT line, problems
FROM registration.older_import_problem
WHERE import_id = $1 AND line > $2
ORDER BY line
LIMIT $3;

-- In one order: two imports that bring the same numbers wait for each other at most once.
-- name: enter_older_numbers
INSERT INTO registration.ticket_number (ticket_number, candidate_id, status, reason, assigned_at)
SELECT entered.ticket_number, NULL, 'older', '', $2
FROM unnest($1::text[]) AS entered (ticket_number)
ORDER BY entered.ticket_number
ON CONFLICT (ticket_number) DO NOTHING
RETURNING ticket_number;

-- name: lock_numbers
SELECT ticket_number
FROM registration.ticket_number
WHERE ticket_number = ANY ($1::text[])
ORDER BY ticket_number
FOR UPDATE;

-- name: get_numbers
SELECT ticket_number.ticket_number, ticket_number.status, ticket_number.reason,
    ticket_number.assigned_at, ticket_number.ended_at,
    coalesce(ticket_number.candidate_id, older_record.candidate_id) AS candidate_id,
    older_record.county_code, older_record.content_index, older_record.has_account,
    older_record.document_index, older_record.record_enc, older_record.activated_at,
    older_photo.sha256 AS photo_sha256
FROM registration.ticket_number
LEFT JOIN registration.older_record USING (ticket_number)
LEFT JOIN registration.older_photo USING (ticket_number)
WHERE ticket_number.ticket_number = ANY ($1::text[])
ORDER BY ticket_number.ticket_number;

-- name: save_older_records
INSERT INTO registration.older_record
    (ticket_number, county_code, import_id, content_index, has_account, document_index,
    record_enc, updated_at)
SELECT entered.ticket_number, entered.county_code, $1, entered.content_index,
    entered.has_account, entered.document_index, entered.record_enc, $8
FROM unnest($2::bytea[], $3::text[], $4::text[], $5::boolean[], $6::bytea[], $7::bytea[])
    AS entered (
        content_index, ticket_number, county_code, has_account, document_index, record_enc
    )
ON CONFLICT (ticket_number) DO UPDATE SET
    county_code = excluded.county_code, import_id = excluded.import_id,
    content_index = excluded.content_index, has_account = excluded.has_account,
    document_index = excluded.document_index, record_enc = excluded.record_enc,
    updated_at = excluded.updated_at;

-- name: save_older_photos
INSERT INTO registration.older_photo (ticket_number, sha256, jpeg_enc)
SELECT photo.ticket_number, photo.sha256, photo.jpeg_enc
FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS photo (ticket_number, sha256, jpeg_enc)
ON CONFLICT (ticket_number) DO UPDATE SET
    sha256 = excluded.sha256, jpeg_enc = excluded.jpeg_enc;

-- name: get_older_photos
SELECT ticket_number, sha256, jpeg_enc
FROM registration.older_photo
WHERE ticket_number = ANY ($1::text[]);

-- What an office has filled in; the content stays that of the import.
-- name: complete_older_record
UPDATE registration.older_record
SET document_index = $2, record_enc = $3, updated_at = $4
WHERE ticket_number = $1;

-- Numbers of the person that wait to be activated, others than $2.
-- name: list_numbers_of_document
SELECT ticket_number.ticket_number
FROM registration.older_record
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE older_record.document_index = $1 AND ticket_number.status = 'older'
    AND ticket_number.ticket_number <> ALL ($2::text[])
ORDER BY ticket_number.ticket_number;

-- name: find_to_merge
SELECT DISTINCT wanted.ticket_number
FROM unnest($1::text[], $2::bytea[]) AS wanted (ticket_number, document_index)
INNER JOIN registration.older_record AS other
    ON other.document_index = wanted.document_index
    AND other.ticket_number <> wanted.ticket_number
INNER JOIN registration.ticket_number AS number ON number.ticket_number = other.ticket_number
WHERE number.status = 'older'
UNION
SELECT wanted.ticket_number
FROM unnest($1::text[], $2::bytea[]) AS wanted (ticket_number, document_index)
INNER JOIN registration.former_document USING (document_index);

-- name: find_waiting_numbers
SELECT person.candidate_id, ticket_number.ticket_number
FROM unnest($1::uuid[], $2::bytea[]) AS person (candidate_id, document_index)
INNER JOIN registration.older_record USING (document_index)
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE ticket_number.status = 'older'
ORDER BY ticket_number.ticket_number;

-- Of documents that others had before.
-- name: find_former_owners
SELECT person.candidate_id, former_document.account_id
FROM unnest($1::uuid[], $2::bytea[]) AS person (candidate_id, document_index)
INNER JOIN registration.former_document USING (document_index)
WHERE former_document.account_id <> person.candidate_id;

-- By one of them, $3, which may be of somebody without a document on record.
-- name: list_numbers_of_person
SELECT of_person.ticket_number
FROM (
    SELECT ticket_number FROM registration.ticket_number WHERE candidate_id = $1
    UNION
    SELECT ticket_number FROM registration.older_record WHERE document_index = $2
    UNION
    SELECT $3::text
) AS of_person (ticket_number)
WHERE of_person.ticket_number > $4
ORDER BY of_person.ticket_number
LIMIT $5;

-- Codes are digits: ':' comes after '9'.
-- name: list_waiting_records
SELECT ticket_number.ticket_number
FROM registration.older_record
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE older_record.county_code >= $1 AND older_record.county_code < $1 || ':'
    AND older_record.activated_at IS NULL AND ticket_number.status = 'older'
    AND ticket_number.ticket_number > $2
ORDER BY ticket_number.ticket_number
LIMIT $3;

-- name: list_incomplete_records
SELECT ticket_number.ticket_number
FROM registration.older_record
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE older_record.county_code >= $1 AND older_record.county_code < $1 || ':'
    AND ticket_number.ticket_number > $2
    AND (
        ticket_number.status = 'older' AND (
            older_record.document_index IS NULL OR NOT EXISTS (
                SELECT 1 FROM registration.older_photo
                WHERE older_photo.ticket_number = older_record.ticket_number
            )
        )
        OR ticket_number.status = 'current' AND NOT EXISTS (
            SELECT 1 FROM registration.photo
            WHERE photo.candidate_id = older_record.candidate_id
        )
    )
ORDER BY ticket_number.ticket_number
LIMIT $3;

-- Begins with documents that are there twice: of most records there is nothing to merge.
-- name: list_to_merge_records
WITH repeated AS (
    SELECT document_index
    FROM registration.older_record
    WHERE document_index IS NOT NULL
    GROUP BY document_index
    HAVING count(*) > 1
    UNION
    SELECT document_index
    FROM registration.older_record
    INNER JOIN registration.account USING (document_index)
    UNION
    SELECT document_index
    FROM registration.older_record
    INNER JOIN registration.former_document USING (document_index)
)
SELECT ticket_number.ticket_number
FROM registration.older_record
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE older_record.document_index = ANY (ARRAY(SELECT repeated.document_index FROM repeated))
    AND older_record.county_code >= $1 AND older_record.county_code < $1 || ':'
    AND ticket_number.status = 'older' AND ticket_number.ticket_number > $2
    AND (
        EXISTS (
            SELECT 1
            FROM registration.older_record AS other
            INNER JOIN registration.ticket_number AS number USING (ticket_number)
            WHERE other.document_index = older_record.document_index
                AND other.ticket_number <> older_record.ticket_number
                AND number.status = 'older'
        )
        OR EXISTS (
            SELECT 1 FROM registration.account
            WHERE account.document_index = older_record.document_index
        )
        OR EXISTS (
            SELECT 1 FROM registration.former_document
            WHERE former_document.document_index = older_record.document_index
        )
    )
ORDER BY ticket_number.ticket_number
LIMIT $3;

-- name: activate_numbers
UPDATE registration.ticket_number
SET status = 'current', candidate_id = activated.candidate_id
FROM unnest($1::text[], $2::uuid[]) AS activated (ticket_number, candidate_id)
WHERE ticket_number.ticket_number = activated.ticket_number;

-- name: bind_numbers
UPDATE registration.ticket_number
SET candidate_id = owned.candidate_id
FROM unnest($1::text[], $2::uuid[]) AS owned (ticket_number, candidate_id)
WHERE ticket_number.ticket_number = owned.ticket_number
    AND ticket_number.candidate_id IS DISTINCT FROM owned.candidate_id;

-- name: bind_older_records
UPDATE registration.older_record
SET candidate_id = owned.candidate_id, activated_at = $3, document_index = NULL, record_enc = NULL
FROM unnest($1::text[], $2::uuid[]) AS owned (ticket_number, candidate_id)
WHERE older_record.ticket_number = owned.ticket_number AND older_record.candidate_id IS NULL;

-- name: delete_older_photos
DELETE FROM registration.older_photo WHERE ticket_number = ANY ($1::text[]);

-- name: find_cancelled_numbers
SELECT ticket_number.ticket_number, person.candidate_id
FROM unnest($1::uuid[], $2::bytea[]) AS person (candidate_id, document_index)
INNER JOIN registration.older_record USING (document_index)
INNER JOIN registration.ticket_number USING (ticket_number)
WHERE ticket_number.status = 'cancelled';

-- name: cancel_numbers
UPDATE registration.ticket_number
SET status = 'cancelled', reason = $2, ended_at = $3
WHERE ticket_number = ANY ($1::text[]);
