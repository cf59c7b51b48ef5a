-- name: list_waiting_rooms
SELECT session_code, track, state, committed, committed_hash, fresh, seed, pass_key, drawn_count,
    late_count, admitted_until, rate, ceiling, held, opened_at, drawn_at
FROM enrollment.waiting_room;

-- name: open_waiting_room
INSERT INTO enrollment.waiting_room (session_code, track, committed, pass_key, opened_at)
VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (session_code, track) DO NOTHING;

-- Many may come in at a time; the draw waits for them, and they for it.
-- name: lock_waiting_room_to_come_in
SELECT drawn_count FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2
FOR KEY SHARE;

-- Numbers behind those of the draw are given out one batch after the other.
-- name: lock_waiting_room_to_come_late
SELECT drawn_count, late_count FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2
FOR NO KEY UPDATE;

-- name: lock_waiting_room_to_draw
SELECT drawn_count FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2
FOR UPDATE;

-- name: count_waiting_places
SELECT count(*) FROM enrollment.waiting_place WHERE session_code = $1 AND track = $2;

-- name: draw_waiting_room
UPDATE enrollment.waiting_room
SET state = 'admitting', fresh = $3, drawn_count = $4, drawn_at = $5
WHERE session_code = $1 AND track = $2;

-- In one order: two batches may have the same candidates.
-- name: add_waiting_places
INSERT INTO enrollment.waiting_place (session_code, track, candidate_id, drawn, joined_at)
SELECT $1, $2, given.candidate_id, true, $4
FROM unnest($3::uuid[]) AS given (candidate_id)
ORDER BY given.candidate_id
ON CONFLICT (session_code, track, candidate_id) DO NOTHING;

-- name: list_waiting_places
SELECT candidate_id, drawn, late_number FROM enrollment.waiting_place
WHERE session_code = $1 AND track = $2 AND candidate_id = ANY ($3::uuid[]);

-- name: give_late_numbers
INSERT INTO enrollment.waiting_place
    (session_code, track, candidate_id, drawn, late_number, late_turns, joined_at)
SELECT $1, $2, given.candidate_id, false, given.late_number, 1, $5
FROM unnest($3::uuid[], $4::integer[]) AS given (candidate_id, late_number)
ON CONFLICT (session_code, track, candidate_id) DO UPDATE SET
    late_number = excluded.late_number, late_turns = waiting_place.late_turns + 1,
    changed_xid = pg_current_xact_id();

-- name: count_late_numbers
UPDATE enrollment.waiting_room SET late_count = late_count + $3
WHERE session_code = $1 AND track = $2;

-- name: current_snapshot
SELECT pg_snapshot_xmax(shown)::text AS until,
    ARRAY(SELECT pg_snapshot_xip(shown)::text) AS running
FROM pg_current_snapshot() AS shown;

-- name: list_places_changed_by
SELECT candidate_id, drawn, late_number FROM enrollment.waiting_place
WHERE session_code = $1 AND track = $2 AND changed_xid = ANY ($3::text[]::xid8[]);

-- What has changed since transaction $3, after candidate $4 of it.
-- name: list_changed_places
SELECT candidate_id, drawn, late_number, changed_xid::text AS changed_xid
FROM enrollment.waiting_place
WHERE session_code = $1 AND track = $2
    AND (changed_xid, candidate_id) > ($3::text::xid8, $4::uuid)
ORDER BY changed_xid, candidate_id
LIMIT $5;

-- name: list_waiting_admissions
SELECT admitted_from, admitted_until, admitted_at
FROM enrollment.waiting_admission
WHERE session_code = $1 AND track = $2 AND admitted_until > $3
ORDER BY admitted_until;
