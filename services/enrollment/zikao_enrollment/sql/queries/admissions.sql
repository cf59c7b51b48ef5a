-- Reports and leases go by the database's clock: it is the same for all processes, and no rule
-- for candidates depends on it.

-- name: report_load
INSERT INTO enrollment.waiting_report (
    session_code, track, process_id, finished, shed, wait_seconds, standing, came, came_seconds
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (process_id, session_code, track) DO UPDATE SET
    finished = excluded.finished, shed = excluded.shed, wait_seconds = excluded.wait_seconds,
    standing = excluded.standing, came = excluded.came, came_seconds = excluded.came_seconds,
    reported_at = excluded.reported_at;

-- name: list_reports
SELECT process_id, finished, shed, wait_seconds, standing, came, came_seconds
FROM enrollment.waiting_report
WHERE session_code = $1 AND track = $2 AND reported_at > clock_timestamp() - $3::interval;

-- name: delete_old_reports
DELETE FROM enrollment.waiting_report WHERE reported_at < clock_timestamp() - $1::interval;

-- Takes or keeps the lease of a drawn room; no row while another process has it.
-- name: lead_room
UPDATE enrollment.waiting_room
SET leader = $3, leader_until = clock_timestamp() + $4::interval
WHERE session_code = $1 AND track = $2 AND state <> 'waiting'
    AND (leader = $3 OR leader IS NULL OR leader_until < clock_timestamp())
RETURNING state, drawn_count + late_count AS last_number, admitted_until, rate, ceiling, held;

-- Of a room that this transaction leads.
-- name: save_admission
UPDATE enrollment.waiting_room
SET state = $3, admitted_until = $4, rate = $5
WHERE session_code = $1 AND track = $2;

-- name: insert_admission
INSERT INTO enrollment.waiting_admission
    (session_code, track, admitted_from, admitted_until, admitted_at)
VALUES ($1, $2, $3, $4, $5);

-- name: lock_admission_limits
SELECT ceiling, held FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2
FOR NO KEY UPDATE;

-- name: set_admission_limits
UPDATE enrollment.waiting_room
SET ceiling = $3, held = $4
WHERE session_code = $1 AND track = $2;
