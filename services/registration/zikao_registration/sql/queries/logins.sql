-- name: revoke_logins
UPDATE registration.login SET revoked_at = $2, revoked_xid = pg_catalog.pg_current_xact_id()
WHERE account_id = $1 AND revoked_at IS NULL AND login_id IS DISTINCT FROM $3;
