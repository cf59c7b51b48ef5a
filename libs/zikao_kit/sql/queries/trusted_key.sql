-- name: list_trusted_keys
SELECT key_id, public_key FROM {schema}.trusted_key;

-- name: delete_trusted_keys
DELETE FROM {schema}.trusted_key WHERE key_id <> ALL ($1::text[]);

-- name: save_trusted_keys
INSERT INTO {schema}.trusted_key (key_id, public_key)
SELECT given.key_id, given.public_key
FROM unnest($1::text[], $2::bytea[]) AS given (key_id, public_key)
ON CONFLICT (key_id) DO UPDATE SET public_key = excluded.public_key;
