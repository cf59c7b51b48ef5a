CREATE TABLE registration.profile_change (
    change_id uuid NOT NULL,
    candidate_id uuid NOT NULL,
    session_code text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    state text NOT NULL,
    values_enc bytea NOT NULL,
    evidence_enc bytea,
    requested_at timestamptz NOT NULL,
    decided_by uuid,
    reasons text[],
    comment text,
    decided_at timestamptz,
    failure text,
    CONSTRAINT profile_change_pkey PRIMARY KEY (change_id),
    CONSTRAINT profile_change_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    CONSTRAINT profile_change_session_fkey
        FOREIGN KEY (session_code) REFERENCES registration.session (code),
    CONSTRAINT profile_change_officer_fkey
        FOREIGN KEY (decided_by) REFERENCES registration.account (account_id),
    CONSTRAINT profile_change_state_check CHECK (
        state IN (
            'awaiting_evidence', 'pending', 'approved', 'rejected', 'withdrawn', 'lapsed',
            'applied', 'failed'
        )
    ),
    -- What an office decides on has evidence, what is withdrawn none.
    CONSTRAINT profile_change_evidence_check CHECK (
        state = 'lapsed'
        OR (state IN ('awaiting_evidence', 'withdrawn')) = (evidence_enc IS NULL)
    ),
    CONSTRAINT profile_change_decided_check CHECK (
        num_nulls(decided_by, reasons, comment, decided_at) IN (0, 4)
        AND (state NOT IN ('approved', 'rejected', 'applied', 'failed') OR decided_at IS NOT NULL)
    ),
    CONSTRAINT profile_change_failure_check CHECK ((state = 'failed') = (failure IS NOT NULL))
);
COMMENT ON TABLE registration.profile_change IS
    'Requests for other names, documents and so on; in effect from the next session';
-- One is open at a time.
CREATE UNIQUE INDEX profile_change_open_key ON registration.profile_change (candidate_id)
    WHERE state IN ('awaiting_evidence', 'pending', 'approved');
CREATE INDEX profile_change_candidate_idx
    ON registration.profile_change (candidate_id, requested_at);
CREATE INDEX profile_change_session_idx ON registration.profile_change (session_code, state)
    WHERE state IN ('awaiting_evidence', 'pending', 'approved');
CREATE INDEX profile_change_decided_by_idx ON registration.profile_change (decided_by)
    WHERE decided_by IS NOT NULL;
CREATE INDEX profile_change_list_idx
    ON registration.profile_change (requested_at, change_id) INCLUDE (county_code, state);
