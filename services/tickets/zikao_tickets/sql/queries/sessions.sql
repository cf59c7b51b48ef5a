-- name: lock_session
SELECT body::text AS body FROM tickets.session WHERE session_code = $1 FOR NO KEY UPDATE;

-- name: load_session
SELECT body::text AS body FROM tickets.session WHERE session_code = $1;

-- Keeps the rooms as they are until the end of the transaction.
-- name: hold_session
SELECT session_code FROM tickets.session WHERE session_code = $1 FOR SHARE;

-- Whether some session wants two officers.
-- name: any_dual_control
SELECT EXISTS (SELECT 1 FROM tickets.session WHERE body @> '{"dualControl": true}');

-- name: save_session
INSERT INTO tickets.session (session_code, body, applied_at)
VALUES ($1, $2::text::jsonb, $3)
ON CONFLICT (session_code) DO UPDATE SET body = excluded.body, applied_at = excluded.applied_at;

-- name: list_courses_in_use
SELECT DISTINCT slot, course_code FROM tickets.sitting WHERE session_code = $1;

-- Also of those who have a ticket and sit no more: it shows them until the next publication.
-- name: list_courses_seated
SELECT DISTINCT seat.slot, seat.course_code
FROM tickets.arrangement
JOIN tickets.seat USING (arrangement_id)
WHERE arrangement.session_code = $1 AND arrangement.state IN ('published', 'approved');
