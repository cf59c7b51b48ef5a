-- As a foreign key this asked for, and locked, a row of enrollment for each sitting: a quarter of what
-- writing an order costs. It needed a second unique key there, too.
ALTER TABLE enrollment.sitting DROP CONSTRAINT sitting_county;
ALTER TABLE enrollment.enrollment DROP CONSTRAINT enrollment_county;

CREATE FUNCTION enrollment.require_bound_county() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan TO off AS $$
BEGIN
    IF EXISTS (
        SELECT FROM seated
        WHERE county_code IS DISTINCT FROM (
            SELECT bound.county_code
            FROM enrollment.enrollment AS bound
            WHERE bound.session_code = seated.session_code
                AND bound.candidate_id = seated.candidate_id
        )
    ) THEN
        RAISE EXCEPTION 'a sitting in another county than the candidate is bound to'
            USING ERRCODE = 'foreign_key_violation', SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION enrollment.require_bound_county() IS
    'What a foreign key to enrollment would say, once a statement; the plan is kept from a time when
    the table was small, so it must not be one that reads it all';
CREATE TRIGGER sitting_county
    AFTER INSERT ON enrollment.sitting REFERENCING NEW TABLE AS seated
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.require_bound_county();
