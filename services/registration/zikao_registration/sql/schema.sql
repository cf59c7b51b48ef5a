-- Registration's own schema. Personal data is encrypted by the service (columns *_enc) and
-- found by keyed hashes (columns *_index); nothing here is readable without its key file.
CREATE SCHEMA IF NOT EXISTS registration;
COMMENT ON SCHEMA registration IS 'Accounts, candidate registrations, reviews, ticket numbers';

CREATE TABLE registration.session (
    code text NOT NULL,
    ticket_digits text NOT NULL,
    body jsonb NOT NULL,
    applied_at timestamptz NOT NULL,
    CONSTRAINT session_pkey PRIMARY KEY (code),
    -- Two sessions with the same digits would give out the same ticket numbers.
    CONSTRAINT session_ticket_digits_key UNIQUE (ticket_digits)
);
COMMENT ON TABLE registration.session IS 'Registration''s part of the session files';

CREATE TABLE registration.signing_key (
    key_id text NOT NULL,
    private_key_enc bytea NOT NULL,
    public_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT signing_key_pkey PRIMARY KEY (key_id),
    CONSTRAINT signing_key_public_key_check CHECK (octet_length(public_key) = 32)
);
COMMENT ON TABLE registration.signing_key IS 'Ed25519 keys of access tokens: the newest signs, a deleted one is trusted no more';

CREATE TABLE registration.account (
    account_id uuid NOT NULL,
    kind text NOT NULL,
    login_index bytea NOT NULL,
    login_name_enc bytea,
    document_index bytea,
    -- NULL: the initial password, which is derived when it is tried and stored nowhere.
    password_hash text,
    must_change_password boolean NOT NULL,
    second_factor_enc bytea,
    second_factor_step bigint,
    role text NOT NULL,
    scope text NOT NULL,
    created_at timestamptz NOT NULL,
    disabled_at timestamptz,
    CONSTRAINT account_pkey PRIMARY KEY (account_id),
    CONSTRAINT account_login_index_key UNIQUE (login_index),
    -- One person, one account, however the document number was written.
    CONSTRAINT account_document_index_key UNIQUE (document_index),
    CONSTRAINT account_kind_check CHECK (
        (kind = 'candidate' AND document_index IS NOT NULL AND role = 'candidate')
        OR (
            kind = 'staff' AND document_index IS NULL AND role <> 'candidate'
            AND password_hash IS NOT NULL AND login_name_enc IS NOT NULL
        )
    ),
    CONSTRAINT account_second_factor_check CHECK (
        second_factor_step IS NULL OR second_factor_enc IS NOT NULL
    )
);
COMMENT ON TABLE registration.account IS 'Who may log in: candidates and staff';
COMMENT ON COLUMN registration.account.second_factor_step IS
    'The last time step whose code was taken, none is taken twice; NULL: not confirmed yet';
CREATE INDEX account_staff_idx ON registration.account (account_id) WHERE kind = 'staff';

CREATE TABLE registration.former_document (
    document_index bytea NOT NULL,
    account_id uuid NOT NULL,
    CONSTRAINT former_document_pkey PRIMARY KEY (document_index),
    CONSTRAINT former_document_account_fkey
        FOREIGN KEY (account_id) REFERENCES registration.account (account_id)
);
COMMENT ON TABLE registration.former_document IS
    'Documents that people had before: who comes with one may be the same person';
CREATE INDEX former_document_account_idx ON registration.former_document (account_id);

CREATE TABLE registration.login (
    login_id uuid NOT NULL,
    -- May be erased by now, while word of the revocation spreads.
    account_id uuid NOT NULL,
    caller text NOT NULL,
    restricted boolean NOT NULL,
    family_sha256 bytea NOT NULL,
    refresh_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL,
    used_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    revoked_xid xid8,
    CONSTRAINT login_pkey PRIMARY KEY (login_id),
    CONSTRAINT login_family_sha256_check CHECK (octet_length(family_sha256) = 32),
    CONSTRAINT login_refresh_sha256_check CHECK (octet_length(refresh_sha256) = 32),
    CONSTRAINT login_revoked_check CHECK ((revoked_at IS NULL) = (revoked_xid IS NULL))
);
COMMENT ON TABLE registration.login IS
    'Who is logged in through which caller, until it lapses or is revoked';
COMMENT ON COLUMN registration.login.family_sha256 IS
    'Of what its refresh tokens have in common: one that is used up is told from a made-up one';
COMMENT ON COLUMN registration.login.revoked_xid IS
    'The transaction that revoked it: other processes ask for those they have not seen';
CREATE INDEX login_account_idx ON registration.login (account_id);
CREATE INDEX login_expires_at_idx ON registration.login (expires_at);
CREATE INDEX login_revoked_at_idx ON registration.login (revoked_at) WHERE revoked_at IS NOT NULL;
CREATE INDEX login_revoked_idx ON registration.login (revoked_xid) WHERE revoked_xid IS NOT NULL;

CREATE TABLE registration.login_attempt (
    subject_index bytea NOT NULL,
    attempts integer NOT NULL,
    first_at timestamptz NOT NULL,
    CONSTRAINT login_attempt_pkey PRIMARY KEY (subject_index)
);
COMMENT ON TABLE registration.login_attempt IS
    'Attempts without success of login names, existing and unknown alike';
CREATE INDEX login_attempt_first_at_idx ON registration.login_attempt (first_at);

CREATE TABLE registration.caller_attempt (
    subject_index bytea NOT NULL,
    shard smallint NOT NULL,
    attempts integer NOT NULL,
    failures integer NOT NULL,
    first_at timestamptz NOT NULL,
    CONSTRAINT caller_attempt_pkey PRIMARY KEY (subject_index, shard)
);
COMMENT ON TABLE registration.caller_attempt IS
    'Judged attempts of callers, in shards by login name: all candidates of a portal come as one';

CREATE TABLE registration.candidate (
    candidate_id uuid NOT NULL,
    -- NULL for older candidates: no session of this system has approved them.
    session_code text,
    state text NOT NULL,
    document_type text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    track text,
    major_code text NOT NULL,
    personal_enc bytea NOT NULL,
    -- Whether there is a row of registration.identity_material: what has one does not expire.
    has_material boolean NOT NULL DEFAULT false,
    ticket_number text,
    standing text NOT NULL,
    standing_reason text NOT NULL,
    updated_at timestamptz NOT NULL,
    submitted_at timestamptz,
    -- Where it stands in lists; only ever grows.
    queued_at timestamptz NOT NULL GENERATED ALWAYS AS (coalesce(submitted_at, updated_at)) STORED,
    leased_by uuid,
    leased_until timestamptz,
    first_approved_by uuid,
    CONSTRAINT candidate_pkey PRIMARY KEY (candidate_id),
    CONSTRAINT candidate_account_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.account (account_id),
    CONSTRAINT candidate_session_fkey
        FOREIGN KEY (session_code) REFERENCES registration.session (code),
    CONSTRAINT candidate_ticket_number_key UNIQUE (ticket_number),
    CONSTRAINT candidate_state_check CHECK (
        state IN (
            'draft', 'pending_review', 'pending_confirmation', 'approved', 'rejected', 'abandoned'
        )
    ),
    CONSTRAINT candidate_session_check CHECK (session_code IS NOT NULL OR state = 'approved'),
    CONSTRAINT candidate_approved_check CHECK ((state = 'approved') = (ticket_number IS NOT NULL)),
    CONSTRAINT candidate_pending_check CHECK (
        state NOT IN ('pending_review', 'pending_confirmation')
        OR (submitted_at IS NOT NULL AND county_code <> '')
    ),
    CONSTRAINT candidate_first_approved_by_fkey
        FOREIGN KEY (first_approved_by) REFERENCES registration.account (account_id),
    CONSTRAINT candidate_confirmation_check CHECK (
        (state = 'pending_confirmation') = (first_approved_by IS NOT NULL)
    ),
    CONSTRAINT candidate_standing_check CHECK (
        standing IN ('active', 'graduated', 'transfer_requested', 'transferred_out', 'blocked')
    ),
    -- An ended standing stays while its person registers anew; the others are of a number.
    CONSTRAINT candidate_standing_number_check CHECK (
        standing NOT IN ('transfer_requested', 'blocked') OR ticket_number IS NOT NULL
    ),
    CONSTRAINT candidate_standing_reason_check CHECK (
        standing <> 'blocked' OR standing_reason <> ''
    ),
    CONSTRAINT candidate_lease_check CHECK ((leased_by IS NULL) = (leased_until IS NULL))
);
COMMENT ON TABLE registration.candidate IS 'A person and their registration, for life';
-- Work lists: of a county, and of what lies above it.
CREATE INDEX candidate_pending_county_idx
    ON registration.candidate (county_code, queued_at, candidate_id)
    WHERE state IN ('pending_review', 'pending_confirmation');
CREATE INDEX candidate_pending_idx ON registration.candidate (queued_at, candidate_id)
    WHERE state IN ('pending_review', 'pending_confirmation');
CREATE INDEX candidate_leased_by_idx ON registration.candidate (leased_by)
    WHERE leased_by IS NOT NULL;
CREATE INDEX candidate_first_approved_by_idx ON registration.candidate (first_approved_by)
    WHERE first_approved_by IS NOT NULL;
CREATE INDEX candidate_county_idx
    ON registration.candidate (county_code, queued_at, candidate_id);
CREATE INDEX candidate_queue_idx ON registration.candidate (queued_at, candidate_id);
-- What is kept for a while only.
CREATE INDEX candidate_abandoned_idx ON registration.candidate (updated_at)
    WHERE state = 'abandoned';
-- What deadlines may still end.
CREATE INDEX candidate_open_idx ON registration.candidate (session_code, state, has_material)
    WHERE state IN ('draft', 'pending_review', 'pending_confirmation', 'rejected');
CREATE INDEX candidate_session_county_idx
    ON registration.candidate (session_code, county_code, state) INCLUDE (submitted_at);

CREATE TABLE registration.photo (
    candidate_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    jpeg_enc bytea NOT NULL,
    uploaded_at timestamptz NOT NULL,
    CONSTRAINT photo_pkey PRIMARY KEY (candidate_id),
    CONSTRAINT photo_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    CONSTRAINT photo_sha256_check CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE registration.photo IS 'The photo as re-encoded, encrypted';

CREATE TABLE registration.identity_material (
    candidate_id uuid NOT NULL,
    jpeg_enc bytea NOT NULL,
    uploaded_at timestamptz NOT NULL,
    CONSTRAINT identity_material_pkey PRIMARY KEY (candidate_id),
    CONSTRAINT identity_material_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id)
);
COMMENT ON TABLE registration.identity_material IS 'Front and back of the document, encrypted';

CREATE TABLE registration.ticket_serial (
    session_code text NOT NULL,
    county_code text NOT NULL,
    last_serial integer NOT NULL,
    CONSTRAINT ticket_serial_pkey PRIMARY KEY (session_code, county_code),
    CONSTRAINT ticket_serial_session_fkey
        FOREIGN KEY (session_code) REFERENCES registration.session (code)
);
COMMENT ON TABLE registration.ticket_serial IS
    'Last serial given out; taken for all approvals of a transaction at once, near its end';

CREATE TABLE registration.ticket_number (
    ticket_number text NOT NULL,
    candidate_id uuid,
    status text NOT NULL,
    reason text NOT NULL,
    assigned_at timestamptz NOT NULL,
    ended_at timestamptz,
    session_code text,
    county_code text,
    serial integer,
    CONSTRAINT ticket_number_pkey PRIMARY KEY (ticket_number),
    -- Of numbers issued here; an older one has none of the three.
    CONSTRAINT ticket_number_serial_key UNIQUE (session_code, county_code, serial),
    CONSTRAINT ticket_number_serial_check CHECK (num_nulls(session_code, county_code, serial) IN (0, 3)),
    CONSTRAINT ticket_number_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    CONSTRAINT ticket_number_status_check CHECK (
        status IN ('older', 'current', 'ended', 'cancelled')
    ),
    -- An older number is somebody's once it is activated.
    CONSTRAINT ticket_number_owner_check CHECK (
        status IN ('older', 'cancelled') OR candidate_id IS NOT NULL
    ),
    CONSTRAINT ticket_number_ended_check CHECK (
        (status IN ('ended', 'cancelled')) = (ended_at IS NOT NULL)
    )
);
COMMENT ON TABLE registration.ticket_number IS
    'Every number there ever was, issued or of older candidates: none is used twice';
-- One person, one number.
CREATE UNIQUE INDEX ticket_number_current_key ON registration.ticket_number (candidate_id)
    WHERE status = 'current';
CREATE INDEX ticket_number_candidate_idx ON registration.ticket_number (candidate_id)
    WHERE candidate_id IS NOT NULL;

CREATE TABLE registration.older_import (
    import_id uuid NOT NULL,
    scope text NOT NULL,
    source_name text NOT NULL,
    total_rows integer NOT NULL,
    replaces boolean NOT NULL,
    dry_run boolean NOT NULL,
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    last_line integer NOT NULL,
    entered integer NOT NULL,
    unchanged integer NOT NULL,
    replaced integer NOT NULL,
    refused integer NOT NULL,
    CONSTRAINT older_import_pkey PRIMARY KEY (import_id)
);
COMMENT ON TABLE registration.older_import IS
    'Imports of older candidates and how far they have come, for some months: a killed one goes on '
    'there. Records keep the id';

CREATE TABLE registration.older_import_problem (
    import_id uuid NOT NULL,
    line integer NOT NULL,
    problems text[] NOT NULL,
    CONSTRAINT older_import_problem_pkey PRIMARY KEY (import_id, line),
    CONSTRAINT older_import_problem_import_fkey
        FOREIGN KEY (import_id) REFERENCES registration.older_import (import_id)
        ON DELETE CASCADE
);
COMMENT ON TABLE registration.older_import_problem IS
    'Rows of imports that were refused, in Chinese, without what they held';

CREATE TABLE registration.older_record (
    ticket_number text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    import_id uuid NOT NULL,
    content_index bytea NOT NULL,
    has_account boolean NOT NULL,
    document_index bytea,
    record_enc bytea,
    updated_at timestamptz NOT NULL,
    candidate_id uuid,
    activated_at timestamptz,
    CONSTRAINT older_record_pkey PRIMARY KEY (ticket_number),
    CONSTRAINT older_record_ticket_number_fkey
        FOREIGN KEY (ticket_number) REFERENCES registration.ticket_number (ticket_number),
    CONSTRAINT older_record_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    -- Once activated the candidate's own row has the data, and this one none.
    CONSTRAINT older_record_activated_check CHECK (
        (activated_at IS NULL) = (candidate_id IS NULL)
        AND (activated_at IS NULL) = (record_enc IS NOT NULL)
        AND (activated_at IS NULL OR document_index IS NULL)
    )
);
COMMENT ON TABLE registration.older_record IS
    'Older candidates as imported, until they activate their ticket numbers';
CREATE INDEX older_record_document_idx ON registration.older_record (document_index)
    WHERE document_index IS NOT NULL;
CREATE INDEX older_record_candidate_idx ON registration.older_record (candidate_id)
    WHERE candidate_id IS NOT NULL;
CREATE INDEX older_record_county_idx ON registration.older_record (county_code, ticket_number)
    WHERE activated_at IS NULL;

CREATE TABLE registration.older_photo (
    ticket_number text NOT NULL,
    sha256 bytea NOT NULL,
    jpeg_enc bytea NOT NULL,
    CONSTRAINT older_photo_pkey PRIMARY KEY (ticket_number),
    CONSTRAINT older_photo_record_fkey
        FOREIGN KEY (ticket_number) REFERENCES registration.older_record (ticket_number),
    CONSTRAINT older_photo_sha256_check CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE registration.older_photo IS
    'Photos of older candidates, encrypted, until they activate';
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

CREATE TABLE registration.decision (
    decision_id bigint GENERATED ALWAYS AS IDENTITY,
    candidate_id uuid NOT NULL,
    session_code text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    submitted_at timestamptz NOT NULL,
    officer_id uuid NOT NULL,
    approved boolean NOT NULL,
    needs_confirmation boolean NOT NULL,
    reasons text[] NOT NULL,
    comment text NOT NULL,
    decided_at timestamptz NOT NULL,
    CONSTRAINT decision_pkey PRIMARY KEY (decision_id),
    CONSTRAINT decision_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    CONSTRAINT decision_officer_fkey
        FOREIGN KEY (officer_id) REFERENCES registration.account (account_id),
    CONSTRAINT decision_reasons_check CHECK (approved = (cardinality(reasons) = 0)),
    CONSTRAINT decision_confirmation_check CHECK (approved OR NOT needs_confirmation)
);
COMMENT ON TABLE registration.decision IS
    'What offices decided, in which county, on what was handed in when; append-only';
CREATE INDEX decision_candidate_idx ON registration.decision (candidate_id, decision_id DESC);
CREATE INDEX decision_officer_idx ON registration.decision (officer_id);
CREATE INDEX decision_county_idx
    ON registration.decision (session_code, county_code, decided_at)
    INCLUDE (approved, needs_confirmation, submitted_at);

CREATE TABLE registration.standing_change (
    candidate_id uuid NOT NULL,
    position bigint GENERATED ALWAYS AS IDENTITY,
    standing text NOT NULL,
    reason_enc bytea NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT standing_change_pkey PRIMARY KEY (candidate_id, position),
    CONSTRAINT standing_change_candidate_fkey
        FOREIGN KEY (candidate_id) REFERENCES registration.candidate (candidate_id),
    CONSTRAINT standing_change_standing_check CHECK (
        standing IN ('active', 'blocked', 'graduated', 'transfer_requested', 'transferred_out')
    )
);
COMMENT ON TABLE registration.standing_change IS
    'What standings became and why, encrypted; append-only but for new keys. Who did it: audit';

CREATE TABLE registration.audit (
    audit_id bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    role text NOT NULL,
    action text NOT NULL,
    candidate_id uuid,
    county_code text COLLATE "C" NOT NULL,
    before jsonb NOT NULL,
    after jsonb NOT NULL,
    CONSTRAINT audit_pkey PRIMARY KEY (audit_id)
);
COMMENT ON TABLE registration.audit IS
    'Who did what when, before and after, without personal data in clear; append-only.
    The county (or the code prefix that was looked at) is that of the moment, empty without one';
CREATE INDEX audit_at_idx ON registration.audit (at, audit_id);
CREATE INDEX audit_candidate_idx ON registration.audit (candidate_id, at, audit_id);
CREATE INDEX audit_actor_idx ON registration.audit (actor, at, audit_id);
CREATE INDEX audit_county_idx ON registration.audit (county_code, at, audit_id);

CREATE FUNCTION registration.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND TG_TABLE_NAME = 'decision'
        AND current_setting('registration.erasing', true) = 'on'
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION registration.refuse_change() IS
    'Keeps append-only tables append-only; decisions go with a person whose data is erased';
CREATE TRIGGER decision_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.decision
    FOR EACH STATEMENT EXECUTE FUNCTION registration.refuse_change();
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit
    FOR EACH STATEMENT EXECUTE FUNCTION registration.refuse_change();
-- A rotation of keys writes reasons anew.
CREATE TRIGGER standing_change_append_only
    BEFORE UPDATE OF candidate_id, position, standing, changed_at OR DELETE OR TRUNCATE
    ON registration.standing_change
    FOR EACH STATEMENT EXECUTE FUNCTION registration.refuse_change();

CREATE TABLE registration.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE registration.outbox IS 'The feed: the state of a key after each change';
COMMENT ON COLUMN registration.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';
CREATE INDEX outbox_by_key ON registration.outbox (event_key, position);

CREATE TABLE registration.idempotency (
    actor text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    body_sha256 bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, request_id)
);
COMMENT ON TABLE registration.idempotency IS
    'Answers by request id: the same id with the same body is answered again';
CREATE INDEX idempotency_by_age ON registration.idempotency (created_at);

CREATE TABLE registration.message (
    message_id uuid NOT NULL,
    channel text NOT NULL,
    content_enc bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT message_pkey PRIMARY KEY (message_id),
    CONSTRAINT message_channel_check CHECK (channel IN ('email', 'sms'))
);
COMMENT ON TABLE registration.message IS
    'Outgoing e-mails and SMS; deleted once handed over, refused for good, or expired';
CREATE INDEX message_next_try_at_idx ON registration.message (channel, next_try_at);
CREATE INDEX message_expires_at_idx ON registration.message (expires_at);

CREATE TABLE registration.recovery_attempt (
    subject_index bytea NOT NULL,
    shard smallint NOT NULL,
    attempts integer NOT NULL,
    first_at timestamptz NOT NULL,
    CONSTRAINT recovery_attempt_pkey PRIMARY KEY (subject_index, shard)
);
COMMENT ON TABLE registration.recovery_attempt IS
    'Attempts to recover, of documents that exist or not, and of callers (in shards)';
CREATE INDEX recovery_attempt_first_at_idx ON registration.recovery_attempt (first_at);

CREATE TABLE registration.password_recovery (
    recovery_id uuid NOT NULL,
    account_id uuid,
    channel text NOT NULL,
    code_index bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    CONSTRAINT password_recovery_pkey PRIMARY KEY (recovery_id),
    CONSTRAINT password_recovery_account_fkey
        FOREIGN KEY (account_id) REFERENCES registration.account (account_id),
    CONSTRAINT password_recovery_code_index_check CHECK (octet_length(code_index) = 32)
);
COMMENT ON TABLE registration.password_recovery IS
    'One-time codes that were sent; without an account: to nobody, for somebody unknown';
CREATE INDEX password_recovery_account_idx ON registration.password_recovery (account_id);
CREATE INDEX password_recovery_expires_at_idx ON registration.password_recovery (expires_at);

CREATE TABLE registration.security_question (
    account_id uuid NOT NULL,
    question_enc bytea NOT NULL,
    answer_hash text NOT NULL,
    set_at timestamptz NOT NULL,
    CONSTRAINT security_question_pkey PRIMARY KEY (account_id),
    CONSTRAINT security_question_account_fkey
        FOREIGN KEY (account_id) REFERENCES registration.account (account_id)
);
COMMENT ON TABLE registration.security_question IS
    'Which of the standard questions, encrypted, and Argon2id of the answer';

CREATE TABLE registration.provider_login (
    state_index bytea NOT NULL,
    secrets_enc bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT provider_login_pkey PRIMARY KEY (state_index)
);
COMMENT ON TABLE registration.provider_login IS
    'Logins begun at the identity provider: nonce and PKCE verifier, encrypted';
CREATE INDEX provider_login_expires_at_idx ON registration.provider_login (expires_at);

-- The audit in a chain of hashes: docs/audit-log.md.

CREATE TABLE registration.audit_unsealed (
    audit_id bigint PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE registration.audit_unsealed IS
    'Entries of the audit that are not yet in the chain; an entry leaves it only into the chain';

CREATE TABLE registration.audit_chain (
    number bigint PRIMARY KEY,
    audit_id bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE registration.audit_chain IS
    'The audit''s entries in the order they were sealed, without gaps; each hash covers the one before';

CREATE TABLE registration.audit_anchor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    cut_at timestamptz
);
COMMENT ON TABLE registration.audit_anchor IS
    'Where the chain begins: at number 0, and later at the last entry that retention has removed';
INSERT INTO registration.audit_anchor (number, sha256)
VALUES (0, sha256(convert_to('zikao audit log 1: registration', 'UTF8')));

CREATE FUNCTION registration.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting(TG_TABLE_SCHEMA || '.cutting_audit', true) = 'on'
        AND (TG_OP = 'DELETE' AND TG_TABLE_NAME <> 'audit_anchor'
            OR TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'audit_anchor')
    THEN
        RETURN NULL;
    END IF;
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION registration.keep_audit() IS
    'Keeps the audit and its chain append-only; old entries go through cut_audit alone';

CREATE FUNCTION registration.keep_until_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registration.audit_chain WHERE audit_id = OLD.audit_id) THEN
        RAISE EXCEPTION 'entry % is not in the chain', OLD.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION registration.keep_until_sealed() IS 'No entry leaves audit_unsealed but into the chain';

CREATE FUNCTION registration.note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO registration.audit_unsealed (audit_id) SELECT audit_id FROM entered;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.note_unsealed() IS 'Has every new entry of the audit sealed';

CREATE FUNCTION registration.require_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM registration.audit_entry WHERE audit_id = NEW.audit_id)
        OR EXISTS (SELECT FROM registration.audit_chain WHERE audit_id = NEW.audit_id)
    THEN
        RAISE EXCEPTION '% is no entry that is to be sealed', NEW.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.noted_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION registration.require_unsealed() IS
    'Nothing waits for the chain but entries that are not in it, and since when is the truth';

CREATE FUNCTION registration.require_sealed_now() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM sealed
        WHERE sealed_at > clock_timestamp() OR sealed_at < clock_timestamp() - interval '1 hour'
    ) THEN
        RAISE EXCEPTION 'an entry is sealed now, and at no other time'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.require_sealed_now() IS 'Nobody seals an entry as of long ago';

CREATE FUNCTION registration.audit_kept_since() RETURNS timestamptz LANGUAGE sql STABLE
RETURN CASE
    WHEN EXISTS (
        SELECT
        FROM pg_catalog.pg_db_role_setting AS given
        JOIN pg_catalog.pg_database AS here ON here.oid = given.setdatabase
        WHERE here.datname = current_database() AND given.setrole = 0
            AND 'zikao.young_audit_may_go=on' = ANY (given.setconfig)
    ) THEN 'infinity'::timestamptz
    ELSE clock_timestamp() - interval '184 days'
END;
COMMENT ON FUNCTION registration.audit_kept_since() IS
    'What was sealed since then stays, by the real clock; only who owns the database lets it go,
    where a rehearsal moves the clock: ALTER DATABASE … SET zikao.young_audit_may_go = on';

CREATE FUNCTION registration.keep_young_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE sealed_at >= registration.audit_kept_since()) THEN
        RAISE EXCEPTION 'what was sealed in the last six months stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION registration.keep_young_audit() IS 'No link leaves the chain before its time, not even by cut_audit';

CREATE FUNCTION registration.cut_audit(up_to bigint, older_than timestamptz, cut_now timestamptz)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    anchored bigint;
BEGIN
    SELECT number INTO STRICT anchored FROM registration.audit_anchor FOR UPDATE;
    IF up_to <= anchored OR up_to >= (SELECT max(number) FROM registration.audit_chain) THEN
        RAISE EXCEPTION 'nothing to cut, or nothing left after %', up_to;
    END IF;
    IF EXISTS (
        SELECT
        FROM registration.audit_chain AS link
        LEFT JOIN registration.audit_entry AS entry ON entry.audit_id = link.audit_id
        WHERE link.number <= up_to AND (entry.at >= older_than) IS NOT FALSE
    ) THEN
        RAISE EXCEPTION 'not all entries up to % are from before %', up_to, older_than
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('registration.cutting_audit', 'on', true);
    UPDATE registration.audit_anchor AS anchor
    SET number = link.number, sha256 = link.sha256, cut_at = cut_now
    FROM registration.audit_chain AS link
    WHERE link.number = up_to;
    DELETE FROM registration.audit_entry AS entry
    USING registration.audit_chain AS link
    WHERE link.number <= up_to AND entry.audit_id = link.audit_id;
    DELETE FROM registration.audit_chain AS link WHERE link.number <= up_to;
    PERFORM set_config('registration.cutting_audit', 'off', true);
    RETURN up_to - anchored;
END
$$;
COMMENT ON FUNCTION registration.cut_audit(bigint, timestamptz, timestamptz) IS
    'Removes the oldest entries up to a number, all from before a time; the anchor takes their place';

CREATE TRIGGER audit_unsealed_noted BEFORE INSERT ON registration.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION registration.require_unsealed();
CREATE TRIGGER audit_unsealed_kept BEFORE DELETE ON registration.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION registration.keep_until_sealed();
CREATE TRIGGER audit_unsealed_append_only BEFORE UPDATE OR TRUNCATE ON registration.audit_unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_chain_sealed_now AFTER INSERT ON registration.audit_chain
    REFERENCING NEW TABLE AS sealed
    FOR EACH STATEMENT EXECUTE FUNCTION registration.require_sealed_now();
CREATE TRIGGER audit_chain_kept AFTER DELETE ON registration.audit_chain
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_young_audit();
CREATE TRIGGER audit_anchor_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();

-- Entries as the chain takes them, alike in all services.
CREATE VIEW registration.audit_entry AS
SELECT audit_id, at, actor, role, action, candidate_id::text AS subject, county_code AS area, before, after
FROM registration.audit;
COMMENT ON VIEW registration.audit_entry IS 'Entries of the audit as the chain takes them';
CREATE OR REPLACE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON registration.audit
    FOR EACH STATEMENT EXECUTE FUNCTION registration.keep_audit();
CREATE TRIGGER audit_noted AFTER INSERT ON registration.audit
    REFERENCING NEW TABLE AS entered
    FOR EACH STATEMENT EXECUTE FUNCTION registration.note_unsealed();
