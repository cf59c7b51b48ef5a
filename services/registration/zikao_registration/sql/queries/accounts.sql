-- name: insert_account
INSERT INTO registration.account (
    account_id, kind, login_index, login_name_enc, document_index, password_hash,
    must_change_password, role, scope, created_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- Under the own login name, else by the document: nobody's name is another's document number.
-- name: find_account
SELECT account_id, password_hash, must_change_password, role, scope, login_name_enc,
    second_factor_enc, second_factor_step, created_at, disabled_at
FROM registration.account
WHERE login_index = $1 OR document_index = ANY ($2::bytea[])
ORDER BY login_index = $1 DESC
LIMIT 1;

-- name: get_account
SELECT account_id, password_hash, must_change_password, role, scope, login_name_enc,
    second_factor_enc, second_factor_step, created_at, disabled_at
FROM registration.account
WHERE account_id = $1;

-- name: list_staff
SELECT account_id, password_hash, must_change_password, role, scope, login_name_enc,
    second_factor_enc, second_factor_step, created_at, disabled_at
FROM registration.account
WHERE kind = 'staff' AND account_id > $1
ORDER BY account_id
LIMIT $2;

-- name: lock_account
SELECT account_id FROM registration.account WHERE account_id = $1 FOR NO KEY UPDATE;

-- In one order: whoever else locks several waits, and there is no circle.
-- name: lock_accounts
SELECT account_id
FROM registration.account
WHERE account_id = ANY ($1::uuid[])
ORDER BY account_id
FOR UPDATE;

-- name: set_password
UPDATE registration.account SET password_hash = $2, must_change_password = $3
WHERE account_id = $1;

-- name: set_second_factor
UPDATE registration.account SET second_factor_enc = $2, second_factor_step = $3
WHERE account_id = $1;

-- name: set_disabled
UPDATE registration.account SET disabled_at = $2 WHERE account_id = $1;

-- Counted before the password is looked at, so that parallel guesses are not free.
-- An attempt at or before $3 has lapsed and the count begins anew.
-- name: count_login_attempt
INSERT INTO registration.login_attempt AS attempt (subject_index, attempts, first_at)
VALUES ($1, 1, $2)
ON CONFLICT (subject_index) DO UPDATE SET
    attempts = CASE WHEN attempt.first_at <= $3 THEN 1 ELSE attempt.attempts + 1 END,
    first_at = CASE WHEN attempt.first_at <= $3 THEN $2 ELSE attempt.first_at END
RETURNING attempts, first_at;

-- name: forget_login_attempts
DELETE FROM registration.login_attempt WHERE subject_index = $1;

-- name: forget_attempts_of_account
DELETE FROM registration.login_attempt
WHERE subject_index = (
    SELECT account.login_index FROM registration.account WHERE account.account_id = $1
);

-- name: return_login_attempt
UPDATE registration.login_attempt SET attempts = attempts - 1
WHERE subject_index = $1 AND attempts > 0;

-- name: count_caller_attempt
INSERT INTO registration.caller_attempt AS counted
    (subject_index, shard, attempts, failures, first_at)
VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (subject_index, shard) DO UPDATE SET
    attempts = CASE WHEN counted.first_at <= $5 THEN 0 ELSE counted.attempts END + 1,
    failures = CASE WHEN counted.first_at <= $5 THEN 0 ELSE counted.failures END + $3,
    first_at = CASE WHEN counted.first_at <= $5 THEN $4 ELSE counted.first_at END;

-- name: sum_caller_attempts
SELECT coalesce(sum(attempts), 0)::integer AS attempts,
    coalesce(sum(failures), 0)::integer AS failures, coalesce(min(first_at), $2) AS first_at
FROM registration.caller_attempt
WHERE subject_index = $1 AND first_at > $2;

-- Leaves those that a login holds now: the two would wait for each other.
-- name: delete_lapsed_attempts
DELETE FROM registration.login_attempt
WHERE subject_index IN (
    SELECT lapsed.subject_index
    FROM registration.login_attempt AS lapsed
    WHERE lapsed.first_at <= $1
    FOR UPDATE SKIP LOCKED
);

-- name: delete_lapsed_caller_attempts
DELETE FROM registration.caller_attempt
WHERE (subject_index, shard) IN (
    SELECT lapsed.subject_index, lapsed.shard
    FROM registration.caller_attempt AS lapsed
    WHERE lapsed.first_at <= $1
    FOR UPDATE SKIP LOCKED
);

-- name: insert_signing_key
INSERT INTO registration.signing_key (key_id, private_key_enc, public_key, created_at)
VALUES ($1, $2, $3, $4);

-- name: list_signing_keys
SELECT key_id, private_key_enc, public_key, created_at
FROM registration.signing_key
ORDER BY created_at DESC, key_id;

-- name: delete_signing_keys
DELETE FROM registration.signing_key WHERE key_id = ANY ($1::text []);

-- Services that start together make one key, not one each.
-- name: lock_signing_keys
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('registration.signing_key'));

-- Those of people who have none. In one order: two that make the same wait at most once.
-- name: insert_candidate_accounts
INSERT INTO registration.account (
    account_id, kind, login_index, document_index, password_hash, must_change_password, role,
    scope, created_at
)
SELECT wanted.account_id, 'candidate', wanted.login_index, wanted.document_index, $4, false,
    'candidate', '', $5
FROM unnest($1::uuid[], $2::bytea[], $3::bytea[])
    AS wanted (account_id, login_index, document_index)
ORDER BY wanted.document_index
ON CONFLICT DO NOTHING
RETURNING account_id;

-- name: find_owner
SELECT account_id FROM registration.account WHERE document_index = $1
UNION ALL
SELECT account_id FROM registration.former_document WHERE document_index = $1
LIMIT 1;

-- name: keep_former_document
INSERT INTO registration.former_document (document_index, account_id)
SELECT document_index, account_id
FROM registration.account
WHERE account_id = $1 AND document_index <> $2
ON CONFLICT (document_index) DO NOTHING;

-- Who has a document again had it before.
-- name: forget_former_document
DELETE FROM registration.former_document WHERE document_index = $1 AND account_id = $2;

-- A chosen login name stays.
-- name: set_document
UPDATE registration.account
SET document_index = $2,
    login_index = CASE WHEN login_index = $3 THEN $4 ELSE login_index END
WHERE account_id = $1;
