-- The foreign key that 0018 dropped also kept a candidate's county from being deleted or changed
-- under kept seats, and a seat from being moved: so do triggers, once a statement.
CREATE TRIGGER sitting_county_changed
    AFTER UPDATE ON enrollment.sitting REFERENCING NEW TABLE AS seated
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.require_bound_county();

CREATE FUNCTION enrollment.require_unseated() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan TO off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM unbound
        JOIN enrollment.sitting USING (session_code, candidate_id)
        LEFT JOIN enrollment.enrollment AS bound USING (session_code, candidate_id)
        WHERE bound.county_code IS DISTINCT FROM sitting.county_code
    ) THEN
        RAISE EXCEPTION 'a candidate is unbound from a county, and sits there'
            USING ERRCODE = 'foreign_key_violation', SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION enrollment.require_unseated() IS
    'The other side of require_bound_county: nobody loses the county in which seats are kept';
CREATE TRIGGER enrollment_seated
    AFTER DELETE ON enrollment.enrollment REFERENCING OLD TABLE AS unbound
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.require_unseated();
CREATE TRIGGER enrollment_seated_elsewhere
    AFTER UPDATE ON enrollment.enrollment REFERENCING OLD TABLE AS unbound
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.require_unseated();
