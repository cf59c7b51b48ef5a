-- What offices did, for auditors.

CREATE TABLE enrollment.office_audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    action text NOT NULL,
    session_code text NOT NULL,
    county_prefix text COLLATE "C" NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL
);
COMMENT ON TABLE enrollment.office_audit IS
    'Who did what to seats, closings and money when, before and after; append-only, no personal data.
    county_prefix: the code of the county, city or province that it was done to';
CREATE INDEX office_audit_by_county ON enrollment.office_audit (county_prefix, audit_id);
CREATE INDEX office_audit_by_actor ON enrollment.office_audit (actor, audit_id);

CREATE FUNCTION enrollment.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION enrollment.refuse_change() IS 'Keeps append-only tables append-only';
CREATE TRIGGER office_audit_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.office_audit
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.refuse_change();
