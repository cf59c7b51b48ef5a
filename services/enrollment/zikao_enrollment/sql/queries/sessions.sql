-- name: list_session_versions
SELECT session_code, version FROM enrollment.session;

-- name: list_sessions
SELECT session_code, version, body::text AS body
FROM enrollment.session
WHERE session_code = ANY ($1::text[]);

-- One apply at a time, the first of a session too. Not a lock of the row: orders refer to it, so
-- whoever takes seats would wait for it with the seats in hand.
-- name: lock_applying
SELECT pg_advisory_xact_lock(hashtext('enrollment.session'));

-- Asked once the seats are locked: whoever changes a session locks all its seats first.
-- name: get_session_version
SELECT version FROM enrollment.session WHERE session_code = $1;

-- name: save_session
INSERT INTO enrollment.session (session_code, version, body, applied_at)
VALUES ($1, 1, $2::text::jsonb, $3)
ON CONFLICT (session_code) DO UPDATE SET
    version = session.version + 1, body = excluded.body, applied_at = excluded.applied_at;

-- name: list_seats
SELECT session_code, county_code, slot, capacity, held, confirmed
FROM enrollment.seat_ledger
ORDER BY session_code, county_code, slot;

-- Finds each by the index of deadlines: to count through the holds of a rush would be too much.
-- name: list_next_releases
SELECT holding.session_code, (
    SELECT held_until
    FROM enrollment.enrollment_order
    WHERE session_code = holding.session_code AND state IN ('held', 'paying', 'closing')
    ORDER BY held_until
    LIMIT 1
) AS next_release_at
FROM (SELECT DISTINCT session_code FROM enrollment.seat_ledger WHERE held > 0) AS holding;

-- name: lock_all_seats
SELECT county_code, slot, capacity, held, confirmed
FROM enrollment.seat_ledger
WHERE session_code = $1
ORDER BY county_code, slot
FOR UPDATE;

-- name: save_capacities
INSERT INTO enrollment.seat_ledger (session_code, county_code, slot, capacity)
SELECT $1, given.county_code, given.slot, given.capacity
FROM unnest($2::text[], $3::integer[], $4::integer[]) AS given (county_code, slot, capacity)
ON CONFLICT (session_code, county_code, slot) DO UPDATE SET capacity = excluded.capacity;

-- name: delete_seats
DELETE FROM enrollment.seat_ledger
USING unnest($2::text[], $3::integer[]) AS gone (county_code, slot)
WHERE seat_ledger.session_code = $1
    AND seat_ledger.county_code = gone.county_code
    AND seat_ledger.slot = gone.slot;

-- name: list_course_uses
SELECT DISTINCT course_code, slot
FROM enrollment.sitting
WHERE session_code = $1
ORDER BY course_code;

-- A closing makes a new version of its session: a batch compares it once its seats are locked.
-- name: list_closings
SELECT session_code, county_prefix, course_code, reason
FROM enrollment.closing
WHERE session_code = ANY ($1::text[]);

-- name: save_closings
INSERT INTO enrollment.closing (session_code, county_prefix, course_code, reason, closed_at)
SELECT $1, given.county_prefix, given.course_code, given.reason, $5
FROM unnest($2::text[], $3::text[], $4::text[]) AS given (county_prefix, course_code, reason)
ON CONFLICT (session_code, county_prefix, course_code) DO UPDATE SET
    reason = excluded.reason, closed_at = excluded.closed_at;

-- name: delete_closings
DELETE FROM enrollment.closing
USING unnest($2::text[], $3::text[]) AS gone (county_prefix, course_code)
WHERE closing.session_code = $1
    AND closing.county_prefix = gone.county_prefix
    AND closing.course_code = gone.course_code;
