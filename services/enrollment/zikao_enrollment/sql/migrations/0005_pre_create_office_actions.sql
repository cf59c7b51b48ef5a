-- What offices close, and acts that wait for a second officer.

CREATE TABLE enrollment.closing (
    session_code text NOT NULL REFERENCES enrollment.session (session_code),
    county_prefix text NOT NULL,
    course_code text NOT NULL,
    reason text NOT NULL,
    closed_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, county_prefix, course_code),
    CONSTRAINT closing_prefix CHECK (county_prefix ~ '^([0-9]{2}){1,3}$')
);
COMMENT ON TABLE enrollment.closing IS
    'What offices have closed for new submissions, in the counties whose code begins so; course_code
    is empty for all courses. Whoever changes it makes a new version of the session';

CREATE TABLE enrollment.office_action (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id uuid NOT NULL,
    session_code text NOT NULL REFERENCES enrollment.session (session_code),
    county_prefix text COLLATE "C" NOT NULL,
    act jsonb NOT NULL,
    state text NOT NULL,
    proposed_by text NOT NULL,
    proposed_at timestamptz NOT NULL,
    expires_at timestamptz,
    decided_by text,
    decided_at timestamptz,
    CONSTRAINT office_action_id UNIQUE (action_id),
    CONSTRAINT office_action_state CHECK (state IN ('pending', 'done', 'rejected')),
    CONSTRAINT office_action_expires CHECK (state <> 'pending' OR expires_at IS NOT NULL),
    CONSTRAINT office_action_decided CHECK ((decided_by IS NULL) = (decided_at IS NULL)),
    -- What has a deadline needed two officers.
    CONSTRAINT office_action_two_officers
        CHECK (state <> 'done' OR expires_at IS NULL OR coalesce(decided_by <> proposed_by, false))
);
COMMENT ON TABLE enrollment.office_action IS
    'Acts of offices, done or waiting for a second officer until expires_at; act is OfficeAct as JSON';
CREATE INDEX office_action_by_county ON enrollment.office_action (county_prefix, position);
