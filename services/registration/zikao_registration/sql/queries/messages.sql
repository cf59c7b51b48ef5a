-- name: insert_message
INSERT INTO registration.message (message_id, channel, content_enc, expires_at)
VALUES ($1, $2, $3, $4);

-- A lease is a try that is due again later: who dies while sending loses nothing. Its time is
-- the database's.
-- name: lease_messages
UPDATE registration.message
SET tries = tries + 1, next_try_at = now() + make_interval(secs => $2)
WHERE message_id IN (
    SELECT due.message_id
    FROM registration.message AS due
    WHERE due.next_try_at <= now()
    ORDER BY due.next_try_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING message_id, channel, content_enc, tries, expires_at;

-- name: count_messages
SELECT channel, count(*)::integer AS waiting FROM registration.message GROUP BY channel;

-- name: postpone_message
UPDATE registration.message SET next_try_at = now() + make_interval(secs => $2)
WHERE message_id = $1;

-- name: delete_message
DELETE FROM registration.message WHERE message_id = $1;
