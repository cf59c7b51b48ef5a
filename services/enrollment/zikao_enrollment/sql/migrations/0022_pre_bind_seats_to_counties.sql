-- One row for all that a candidate has in a session in place of one a seat: a third of what writing
-- an order costs. Which order has which seat is said by the orders.
LOCK TABLE enrollment.enrollment_order, enrollment.enrollment, enrollment.sitting;

ALTER TABLE enrollment.enrollment
    ADD COLUMN slot_set bigint NOT NULL DEFAULT 0,
    ADD COLUMN sittings integer NOT NULL DEFAULT 0;
DROP TRIGGER enrollment_seated ON enrollment.enrollment;
DROP TRIGGER enrollment_seated_elsewhere ON enrollment.enrollment;
DROP FUNCTION enrollment.require_unseated();
UPDATE enrollment.enrollment AS bound
SET slot_set = seated.slot_set, sittings = seated.sittings
FROM (
    SELECT session_code, candidate_id, bit_or(1::bigint << (slot - 1)) AS slot_set,
        count(*) AS sittings
    FROM enrollment.sitting
    GROUP BY session_code, candidate_id
) AS seated
WHERE bound.session_code = seated.session_code AND bound.candidate_id = seated.candidate_id;
ALTER TABLE enrollment.enrollment
    ADD CONSTRAINT enrollment_once_a_slot CHECK (bit_count(slot_set::bit(64)) = sittings);
COMMENT ON TABLE enrollment.enrollment IS
    'What a candidate has in a session, always in one county; exists while there is something.
    slot_set: bit n - 1 is slot n; sittings: how many seats that are, so that none is in a slot twice';

DROP TABLE enrollment.sitting;
DROP FUNCTION enrollment.require_bound_county();
CREATE VIEW enrollment.sitting AS
SELECT session_code, candidate_id, course.slot, order_id, course.course_code, county_code, state
FROM enrollment.enrollment_order
CROSS JOIN unnest(slots, course_codes) AS course (slot, course_code)
WHERE state <> 'released';
COMMENT ON VIEW enrollment.sitting IS 'The seats of orders, held or confirmed';

-- The version before writes sittings, which follow from the orders now, and knows nothing of slot_set.
CREATE FUNCTION enrollment.ignore_sitting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER sitting_ignored
    INSTEAD OF INSERT OR DELETE ON enrollment.sitting
    FOR EACH ROW EXECUTE FUNCTION enrollment.ignore_sitting();
CREATE FUNCTION enrollment.bind_candidates() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan TO off AS $$
BEGIN
    DELETE FROM enrollment.enrollment AS bound
    USING changed
    WHERE bound.session_code = changed.session_code
        AND bound.candidate_id = changed.candidate_id
        AND NOT EXISTS (
            SELECT FROM enrollment.sitting
            WHERE sitting.session_code = changed.session_code
                AND sitting.candidate_id = changed.candidate_id
        );
    INSERT INTO enrollment.enrollment
        (session_code, candidate_id, county_code, slot_set, sittings)
    SELECT session_code, candidate_id, sitting.county_code, bit_or(1::bigint << (slot - 1)), count(*)
    FROM (SELECT DISTINCT session_code, candidate_id FROM changed) AS moved
    JOIN enrollment.sitting USING (session_code, candidate_id)
    GROUP BY session_code, candidate_id, sitting.county_code
    ON CONFLICT (session_code, candidate_id) DO UPDATE SET
        county_code = excluded.county_code, slot_set = excluded.slot_set,
        sittings = excluded.sittings;
    RETURN NULL;
END
$$;
CREATE TRIGGER enrollment_order_binds
    AFTER INSERT ON enrollment.enrollment_order REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.bind_candidates();
CREATE TRIGGER enrollment_order_binds_changed
    AFTER UPDATE ON enrollment.enrollment_order REFERENCING NEW TABLE AS changed
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.bind_candidates();

-- Lines are looked for by their order alone: one index does for both.
ALTER TABLE enrollment.order_event DROP CONSTRAINT order_event_pkey;
ALTER TABLE enrollment.order_event ADD PRIMARY KEY (order_id, event_id);
DROP INDEX enrollment.order_event_by_order;
