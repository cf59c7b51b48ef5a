-- What the live auditor has found, for all processes of the service.

CREATE TABLE enrollment.invariant_check (
    invariant text PRIMARY KEY,
    violations bigint NOT NULL,
    offenders text[] NOT NULL,
    took interval NOT NULL,
    checked_at timestamptz NOT NULL,
    CONSTRAINT invariant_check_violations CHECK (violations >= 0)
);
COMMENT ON TABLE enrollment.invariant_check IS
    'The last check of each invariant, by the database''s clock; offenders names some of them';
