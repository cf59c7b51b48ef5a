-- name: insert_provider_login
INSERT INTO registration.provider_login (state_index, secrets_enc, expires_at)
VALUES ($1, $2, $3);

-- name: take_provider_login
DELETE FROM registration.provider_login
WHERE state_index = $1 AND expires_at > $2
RETURNING secrets_enc, expires_at;

-- name: delete_expired_provider_logins
DELETE FROM registration.provider_login
WHERE state_index IN (
    SELECT expired.state_index
    FROM registration.provider_login AS expired
    WHERE expired.expires_at <= $1
    FOR UPDATE SKIP LOCKED
);
