-- Waits while another transaction that claims the same id is running.
-- name: claim_request
INSERT INTO {schema}.idempotency (actor, request_id, method, body_sha256)
VALUES ($1, $2, $3, $4)
ON CONFLICT (actor, request_id) DO NOTHING;

-- name: remember_answer
UPDATE {schema}.idempotency SET response = $3
WHERE actor = $1 AND request_id = $2;

-- name: recall_answer
SELECT method, body_sha256, response
FROM {schema}.idempotency
WHERE actor = $1 AND request_id = $2;

-- Each by the key. Joined otherwise, a plan that was made while the table was small reads all of it.
-- name: recall_answers
SELECT asked.actor, asked.request_id, found.method, found.body_sha256, found.response
FROM unnest($1::text[], $2::uuid[]) AS asked (actor, request_id)
CROSS JOIN LATERAL (
    SELECT idempotency.method, idempotency.body_sha256, idempotency.response
    FROM {schema}.idempotency
    WHERE idempotency.actor = asked.actor AND idempotency.request_id = asked.request_id
    LIMIT 1
) AS found;

-- In one order for everybody: two batches with the same ids do not deadlock. Whoever stores believes that
-- there is no answer: one that is there is an error, and the batch is decided again.
-- name: remember_answers
INSERT INTO {schema}.idempotency (actor, request_id, method, body_sha256, response)
SELECT given.actor, given.request_id, given.method, given.body_sha256, given.response
FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bytea[], $5::bytea[])
    AS given (actor, request_id, method, body_sha256, response)
ORDER BY given.actor, given.request_id;

-- name: forget_answers
DELETE FROM {schema}.idempotency
WHERE (actor, request_id) IN (
    SELECT old.actor, old.request_id
    FROM {schema}.idempotency AS old
    WHERE old.created_at < now() - $1::interval
    ORDER BY old.created_at
    LIMIT $2
);

-- When the oldest transaction of this role began that may yet store an answer.
-- name: oldest_transaction
SELECT least(min(xact_start), clock_timestamp())
FROM pg_stat_activity
WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();

-- name: list_answered
SELECT coalesce(array_agg(actor), ARRAY[]::text[]) AS actors
FROM {schema}.idempotency
WHERE created_at >= $1 AND method = ANY ($2::text[]);
