-- A trigger call for each of a million seats; the checker finds a room or an arrangement that is
-- not there, and a session file that takes a room in use is refused.

ALTER TABLE tickets.seat
    DROP CONSTRAINT seat_room,
    DROP CONSTRAINT seat_arrangement_id_fkey;
