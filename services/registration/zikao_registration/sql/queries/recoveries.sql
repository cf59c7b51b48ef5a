-- Counted before anything is looked up. An attempt at or before $4 has lapsed and the count
-- begins anew.
-- name: count_recovery_attempt
INSERT INTO registration.recovery_attempt AS counted (subject_index, shard, attempts, first_at)
VALUES ($1, $2, 1, $3)
ON CONFLICT (subject_index, shard) DO UPDATE SET
    attempts = CASE WHEN counted.first_at <= $4 THEN 1 ELSE counted.attempts + 1 END,
    first_at = CASE WHEN counted.first_at <= $4 THEN $3 ELSE counted.first_at END
RETURNING attempts, first_at;

-- name: return_recovery_attempt
UPDATE registration.recovery_attempt SET attempts = attempts - 1
WHERE subject_index = $1 AND shard = 0 AND attempts > 0;

-- name: sum_recovery_attempts
SELECT coalesce(sum(attempts), 0)::integer AS attempts, coalesce(min(first_at), $2) AS first_at
FROM registration.recovery_attempt
WHERE subject_index = $1 AND first_at > $3;

-- name: forget_recovery_attempts
DELETE FROM registration.recovery_attempt WHERE subject_index = ANY ($1::bytea[]);

-- Leaves those that an attempt holds now: the two would wait for each other.
-- name: delete_lapsed_recovery_attempts
DELETE FROM registration.recovery_attempt
WHERE (subject_index, shard) IN (
    SELECT lapsed.subject_index, lapsed.shard
    FROM registration.recovery_attempt AS lapsed
    WHERE lapsed.first_at <= $1
    FOR UPDATE SKIP LOCKED
);

-- name: insert_recovery
INSERT INTO registration.password_recovery
    (recovery_id, account_id, channel, code_index, expires_at)
VALUES ($1, $2, $3, $4, $5);

-- Guesses in parallel are each a try of their own.
-- name: try_recovery_code
UPDATE registration.password_recovery SET tries = tries + 1
WHERE recovery_id = $1 AND expires_at > $3 AND tries < $4
RETURNING recovery_id, account_id, channel, expires_at, code_index = $2 AS is_right;

-- name: find_recovery_owner
SELECT account_id FROM registration.password_recovery WHERE recovery_id = $1;

-- name: take_recovery
DELETE FROM registration.password_recovery
WHERE recovery_id = $1
RETURNING recovery_id, account_id, channel, expires_at;

-- name: void_recoveries
DELETE FROM registration.password_recovery WHERE account_id = $1;

-- name: delete_expired_recoveries
DELETE FROM registration.password_recovery
WHERE recovery_id IN (
    SELECT expired.recovery_id
    FROM registration.password_recovery AS expired
    WHERE expired.expires_at <= $1
    FOR UPDATE SKIP LOCKED
);

-- name: save_security_answer
INSERT INTO registration.security_question (account_id, question_enc, answer_hash, set_at)
VALUES ($1, $2, $3, $4)
ON CONFLICT (account_id) DO UPDATE SET
    question_enc = excluded.question_enc, answer_hash = excluded.answer_hash,
    set_at = excluded.set_at;

-- name: find_security_answer
SELECT question_enc, answer_hash
FROM registration.security_question
WHERE account_id = $1;

-- name: delete_security_answer
DELETE FROM registration.security_question WHERE account_id = $1;
