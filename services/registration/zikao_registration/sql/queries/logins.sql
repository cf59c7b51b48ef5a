-- name: insert_login
INSERT INTO registration.login (
    login_id, account_id, caller, restricted, family_sha256, refresh_sha256, created_at, used_at,
    expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8);

-- name: find_login
SELECT login_id, account_id, caller, restricted, family_sha256, refresh_sha256, created_at, used_at,
    expires_at, revoked_at
FROM registration.login
WHERE login_id = $1;

-- name: lock_login
SELECT login_id, account_id, caller, restricted, family_sha256, refresh_sha256, created_at, used_at,
    expires_at, revoked_at
FROM registration.login
WHERE login_id = $1
FOR UPDATE;

-- name: rotate_login
UPDATE registration.login
SET family_sha256 = $2, refresh_sha256 = $3, restricted = $4, used_at = $5
WHERE login_id = $1;

-- name: list_open_logins
SELECT login_id, account_id, caller, restricted, family_sha256, refresh_sha256, created_at, used_at,
    expires_at, revoked_at
FROM registration.login
WHERE account_id = $1 AND revoked_at IS NULL AND expires_at > $2
ORDER BY created_at DESC, login_id;

-- name: revoke_login
UPDATE registration.login SET revoked_at = $3, revoked_xid = pg_catalog.pg_current_xact_id()
WHERE login_id = $1 AND account_id = $2 AND revoked_at IS NULL;

-- name: revoke_logins
UPDATE registration.login SET revoked_at = $2, revoked_xid = pg_catalog.pg_current_xact_id()
WHERE account_id = $1 AND revoked_at IS NULL AND login_id IS DISTINCT FROM $3;

-- All but the $3 that were used last.
-- name: revoke_surplus_logins
UPDATE registration.login SET revoked_at = $2, revoked_xid = pg_catalog.pg_current_xact_id()
WHERE login_id IN (
    SELECT surplus.login_id
    FROM registration.login AS surplus
    WHERE surplus.account_id = $1 AND surplus.revoked_at IS NULL AND surplus.expires_at > $2
    ORDER BY surplus.used_at DESC, surplus.login_id
    OFFSET $3
);

-- Of both those that are open and those that have ended.
-- name: count_logins
SELECT count(*)::integer AS begun, coalesce(min(created_at), $2) AS first_at
FROM registration.login
WHERE account_id = $1 AND created_at > $2;

-- name: delete_revoked_logins
DELETE FROM registration.login
WHERE login_id IN (
    SELECT revoked.login_id
    FROM registration.login AS revoked
    WHERE revoked.revoked_at <= $1
    ORDER BY revoked.revoked_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
);

-- Leaves those that somebody refreshes or revokes now.
-- name: delete_lapsed_logins
DELETE FROM registration.login
WHERE login_id IN (
    SELECT lapsed.login_id
    FROM registration.login AS lapsed
    WHERE lapsed.expires_at <= $1
    ORDER BY lapsed.expires_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
);

-- name: current_snapshot
SELECT pg_catalog.pg_current_snapshot()::text;

-- What the snapshot $2 shows and $1 did not: a transaction id alone would lose those that
-- commit late. A page begins after ($3, $4); logins whose tokens had all ended by $5 are left out.
-- name: list_revoked_logins
SELECT login_id, revoked_at, expires_at, revoked_xid::text AS xid
FROM registration.login
WHERE revoked_xid >= pg_catalog.pg_snapshot_xmin($1::text::pg_snapshot)
    AND NOT pg_catalog.pg_visible_in_snapshot(revoked_xid, $1::text::pg_snapshot)
    AND pg_catalog.pg_visible_in_snapshot(revoked_xid, $2::text::pg_snapshot)
    AND (revoked_xid, login_id) > ($3::text::xid8, $4::uuid)
    AND revoked_at > $5
ORDER BY revoked_xid, login_id
LIMIT $6;
