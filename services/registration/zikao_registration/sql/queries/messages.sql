-- name: insert_message
INSERT INTO registration.message (message_id, channel, content_enc, expires_at)
VALUES ($1, $2, $3, $4);

-- A lease is a try that is due again later: who dies while sending loses nothing. Its time is
-- the database's; whether a message has expired ($4), the clock says.
-- name: lease_messages
UPDATE registration.message
SET tries = tries + 1, next_try_at = now() + make_interval(secs => $2)
WHERE message_id IN (
    SELECT due.message_id
    FROM registration.message AS due
    WHERE due.channel = $3 AND due.next_try_at <= now() AND due.expires_at > $4
    ORDER BY due.next_try_at
    LIMIT $1
    FOR UPDATE SKIP LOCKED
)
RETURNING message_id, channel, content_enc, tries, expires_at;

-- Not those that somebody is sending now.
-- name: take_expired_messages
DELETE FROM registration.message
WHERE message_id IN (
    SELECT expired.message_id
    FROM registration.message AS expired
    WHERE expired.expires_at <= $1 AND expired.next_try_at <= now()
    ORDER BY expired.expires_at
    LIMIT $2
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
