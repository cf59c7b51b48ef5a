-- One key of seats by people in place of two: a third of what storing an arrangement costs is keys.

ALTER TABLE tickets.seat DROP CONSTRAINT seat_one_a_slot;
DROP INDEX tickets.seat_by_candidate;
ALTER TABLE tickets.seat
    ADD CONSTRAINT seat_one_a_slot UNIQUE (candidate_id, arrangement_id, slot);
