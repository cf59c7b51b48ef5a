-- name: list_proof_keys
SELECT key_id, private_key_enc, signs_from, retired_at
FROM tickets.proof_key
ORDER BY signs_from, key_id;

-- name: lock_proof_keys
SELECT pg_advisory_xact_lock(hashtextextended('tickets.proof_key', 0));

-- name: insert_proof_key
INSERT INTO tickets.proof_key (key_id, private_key_enc, public_key, created_at, signs_from)
VALUES ($1, $2, $3, $4, $5);

-- name: retire_proof_key
UPDATE tickets.proof_key SET retired_at = $2 WHERE key_id = $1;

-- Tickets that would not verify any more without the key; of prints from before the key was noted
-- nobody knows better.
-- name: list_tickets_signed_with
SELECT session_code, county_code, array_agg(candidate_id) AS candidate_ids
FROM tickets.ticket
WHERE (proof_key_id = $1 OR (proof_key_id IS NULL AND proof IS NOT NULL)) AND revoked_at IS NULL
GROUP BY session_code, county_code
ORDER BY session_code, county_code;

-- name: list_revoked_tickets
SELECT ticket_number, version
FROM tickets.ticket
WHERE session_code = $1 AND revoked_at IS NOT NULL
ORDER BY ticket_number, version;

-- The lists of a session are numbered one after the other.
-- name: lock_verification_list
SELECT pg_advisory_xact_lock(hashtextextended('tickets.verification_list:' || $1, 0));

-- The last list's number, if it had this content.
-- name: find_verification_list
SELECT list_number
FROM tickets.verification_list
WHERE session_code = $1 AND content_sha256 = $2;

-- The number of a list with other content than the last.
-- name: number_verification_list
INSERT INTO tickets.verification_list AS last
    (session_code, list_number, content_sha256, changed_at)
VALUES ($1, 1, $2, $3)
ON CONFLICT (session_code) DO UPDATE SET
    list_number = last.list_number + 1, content_sha256 = excluded.content_sha256,
    changed_at = excluded.changed_at
RETURNING list_number;
