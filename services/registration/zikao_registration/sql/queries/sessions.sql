-- name: get_session
SELECT body
FROM registration.session
WHERE code = $1;

-- name: list_sessions
SELECT body
FROM registration.session
ORDER BY code;

-- name: shares_digits
SELECT EXISTS (SELECT 1 FROM registration.session WHERE ticket_digits = $1 AND code <> $2);

-- Whoever writes what a change of a session would harm holds all of them: a new session harms
-- too, and has no row yet.
-- name: hold_sessions
SELECT pg_catalog.pg_advisory_xact_lock_shared(pg_catalog.hashtext('registration.session'));

-- name: lock_sessions
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('registration.session'));

-- name: save_session
INSERT INTO registration.session (code, ticket_digits, body, applied_at)
VALUES ($1, $2, $3::jsonb, $4)
ON CONFLICT (code) DO UPDATE SET
    ticket_digits = excluded.ticket_digits,
    body = excluded.body,
    applied_at = excluded.applied_at;

-- name: list_used_counties
SELECT DISTINCT county_code
FROM registration.candidate
WHERE session_code = $1 AND county_code <> '';

-- name: has_ticket_numbers
SELECT EXISTS (SELECT 1 FROM registration.ticket_serial WHERE session_code = $1);

-- Cancelled ones too: none is used twice. They are all older than the first session.
-- name: has_older_numbers_like
SELECT EXISTS (SELECT 1 FROM registration.older_record WHERE ticket_number ~ $1);
