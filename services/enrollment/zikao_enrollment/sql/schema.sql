-- Schema of the enrollment service: sessions, seats, orders, money. No personal data.

CREATE SCHEMA IF NOT EXISTS enrollment;

CREATE TABLE enrollment.session (
    session_code text PRIMARY KEY,
    version integer NOT NULL,
    body jsonb NOT NULL,
    applied_at timestamptz NOT NULL
);
COMMENT ON TABLE enrollment.session IS
    'Settings of a session, as applied from its file; body is EnrollmentSession as JSON';

CREATE TABLE enrollment.seat_ledger (
    session_code text NOT NULL REFERENCES enrollment.session (session_code),
    county_code text NOT NULL,
    slot integer NOT NULL,
    capacity integer NOT NULL,
    held integer NOT NULL DEFAULT 0,
    confirmed integer NOT NULL DEFAULT 0,
    PRIMARY KEY (session_code, county_code, slot),
    CONSTRAINT seat_ledger_never_oversold
        CHECK (held >= 0 AND confirmed >= 0 AND held + confirmed <= capacity)
) WITH (fillfactor = 50);
COMMENT ON TABLE enrollment.seat_ledger IS
    'Seats of a county and slot; always locked in the order of county_code, slot';

CREATE TABLE enrollment.candidate (
    candidate_id uuid PRIMARY KEY,
    track text NOT NULL,
    standing text NOT NULL,
    standing_reason text NOT NULL,
    CONSTRAINT candidate_track CHECK (track IN ('social', 'applied'))
);
COMMENT ON TABLE enrollment.candidate IS
    'Projection of the candidate feed: what decides eligibility, and nothing personal';

CREATE TABLE enrollment.plan (
    session_code text NOT NULL REFERENCES enrollment.session (session_code),
    candidate_id uuid NOT NULL,
    course_codes text[] NOT NULL,
    county_codes text[] NOT NULL,
    may_move boolean NOT NULL,
    saved_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, candidate_id)
);
COMMENT ON TABLE enrollment.plan IS
    'What a candidate means to submit; may_move: a late payment may be used in another county of it';

-- No foreign key where one would ask for another row per row of a rush and guard what nothing
-- breaks: orders and sessions are never deleted, and who inserts an event or binds a candidate has
-- just inserted or locked the order. The auditor looks whether every order has its seats and history.
CREATE TABLE enrollment.enrollment_order (
    order_id uuid PRIMARY KEY,
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    county_code text NOT NULL,
    slots integer[] NOT NULL,
    course_codes text[] NOT NULL,
    state text NOT NULL,
    fee_fen bigint NOT NULL,
    held_until timestamptz NOT NULL,
    created_at timestamptz NOT NULL,
    lease_until timestamptz,
    CONSTRAINT enrollment_order_state
        CHECK (state IN ('held', 'paying', 'confirmed', 'closing', 'released')),
    CONSTRAINT enrollment_order_fee CHECK (fee_fen > 0),
    CONSTRAINT enrollment_order_courses
        CHECK (cardinality(slots) > 0 AND cardinality(slots) = cardinality(course_codes)),
    CONSTRAINT enrollment_order_leased CHECK (state <> 'closing' OR lease_until IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE enrollment.enrollment_order IS
    'Courses taken and paid together; slots[i] is the slot of course_codes[i];
    lease_until: a closing order belongs to one worker until then, by the database''s clock';
CREATE INDEX enrollment_order_by_candidate
    ON enrollment.enrollment_order (session_code, candidate_id, created_at DESC, order_id);
CREATE INDEX enrollment_order_by_session_deadline
    ON enrollment.enrollment_order (session_code, held_until)
    WHERE state IN ('held', 'paying', 'closing');
CREATE INDEX enrollment_order_closing ON enrollment.enrollment_order (lease_until)
    WHERE state = 'closing';
-- The roster: held orders are not in the index, so taking seats pays nothing for it.
CREATE INDEX enrollment_order_confirmed
    ON enrollment.enrollment_order (session_code, county_code, candidate_id)
    WHERE state = 'confirmed';

CREATE VIEW enrollment.sitting AS
SELECT session_code, candidate_id, course.slot, order_id, course.course_code, county_code, state
FROM enrollment.enrollment_order
CROSS JOIN unnest(slots, course_codes) AS course (slot, course_code)
WHERE state <> 'released';
COMMENT ON VIEW enrollment.sitting IS 'The seats of orders, held or confirmed';

CREATE TABLE enrollment.enrollment (
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    county_code text NOT NULL,
    slot_set bigint NOT NULL,
    sittings integer NOT NULL,
    PRIMARY KEY (session_code, candidate_id),
    CONSTRAINT enrollment_once_a_slot CHECK (bit_count(slot_set::bit(64)) = sittings),
    CONSTRAINT enrollment_of_something CHECK (sittings > 0)
);
COMMENT ON TABLE enrollment.enrollment IS
    'What a candidate has in a session, always in one county; exists while there is something.
    slot_set: bit n - 1 is slot n; sittings: how many seats that are, so that none is in a slot twice';

CREATE TABLE enrollment.order_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY,
    order_id uuid NOT NULL,
    from_state text,
    to_state text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (order_id, event_id)
);
COMMENT ON TABLE enrollment.order_event IS 'How an order came to its state; only ever added to';

CREATE TABLE enrollment.payment_order (
    payment_order_id uuid PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES enrollment.enrollment_order (order_id),
    amount_fen bigint NOT NULL,
    payment_code text,
    state text NOT NULL,
    opened_at timestamptz NOT NULL,
    next_query_at timestamptz,
    queries integer NOT NULL DEFAULT 0,
    CONSTRAINT payment_order_state CHECK (state IN ('open', 'closed')),
    CONSTRAINT payment_order_amount CHECK (amount_fen > 0),
    CONSTRAINT payment_order_asked_while_open CHECK (state <> 'open' OR next_query_at IS NOT NULL)
) WITH (fillfactor = 80);
COMMENT ON TABLE enrollment.payment_order IS
    'Attempts to pay an order, each an order at the platform under this id; payment_code is set once
    the platform has answered; next_query_at, by the database''s clock: when the platform is asked
    what it knows, null when no more';
CREATE UNIQUE INDEX payment_order_open_once ON enrollment.payment_order (order_id)
    WHERE state = 'open';
CREATE INDEX payment_order_by_order ON enrollment.payment_order (order_id);
CREATE INDEX payment_order_due ON enrollment.payment_order (state, next_query_at)
    WHERE next_query_at IS NOT NULL;

CREATE TABLE enrollment.payment (
    payment_id text PRIMARY KEY,
    order_id uuid,
    amount_fen bigint NOT NULL,
    paid_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    disposition text NOT NULL,
    flag text,
    payment_order_id uuid NOT NULL,
    CONSTRAINT payment_amount CHECK (amount_fen > 0),
    CONSTRAINT payment_disposition CHECK (disposition IN ('applied', 'refund')),
    CONSTRAINT payment_flag
        CHECK (flag IN ('unknown_order', 'amount_differs', 'second_payment', 'late')),
    CONSTRAINT payment_refund_flagged CHECK (disposition <> 'refund' OR flag IS NOT NULL)
);
COMMENT ON TABLE enrollment.payment IS
    'Money that has come in; payment_order_id is as the platform gave it, so that a wrong one is
    refunded too; order_id: the order that it was for, null when there is none; flag: what is wrong
    with it, for the offices';
CREATE UNIQUE INDEX payment_applied_once ON enrollment.payment (order_id)
    WHERE disposition = 'applied';
CREATE INDEX payment_by_order ON enrollment.payment (order_id);
CREATE INDEX payment_odd ON enrollment.payment (received_at DESC, payment_id DESC)
    WHERE flag IS NOT NULL;

CREATE TABLE enrollment.refund (
    refund_id uuid PRIMARY KEY,
    payment_id text NOT NULL REFERENCES enrollment.payment (payment_id),
    amount_fen bigint NOT NULL,
    requested_at timestamptz NOT NULL,
    next_attempt_at timestamptz NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    refunded_at timestamptz,
    refusal text,
    state text NOT NULL GENERATED ALWAYS AS (CASE
        WHEN refunded_at IS NOT NULL THEN 'refunded'
        WHEN refusal IS NOT NULL THEN 'refused'
        ELSE 'requested'
    END) STORED,
    CONSTRAINT refund_once UNIQUE (payment_id),
    CONSTRAINT refund_amount CHECK (amount_fen > 0)
);
COMMENT ON TABLE enrollment.refund IS
    'Money that goes back; asked for at the platform until refunded_at is set, the next time
    at next_attempt_at, by the database''s clock; refusal: the reason of the platform''s last
    answer when that was no: people must see to it';
CREATE INDEX refund_pending ON enrollment.refund (next_attempt_at) WHERE refunded_at IS NULL;

CREATE TABLE enrollment.refund_event (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    refund_id uuid NOT NULL,
    from_state text,
    to_state text NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    at timestamptz NOT NULL,
    refusal text,
    CONSTRAINT refund_event_refused CHECK ((to_state = 'refused') = (refusal IS NOT NULL))
);
COMMENT ON TABLE enrollment.refund_event IS
    'How a refund came to its state; only ever added to. refusal: why the platform said no';
CREATE INDEX refund_event_by_refund ON enrollment.refund_event (refund_id);

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
CREATE TRIGGER order_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.order_event
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.refuse_change();
CREATE TRIGGER refund_event_append_only
    BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.refund_event
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.refuse_change();

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
CREATE INDEX office_action_pending ON enrollment.office_action (proposed_by, expires_at)
    WHERE state = 'pending';

CREATE TABLE enrollment.statement (
    statement_date date PRIMARY KEY,
    import_id uuid NOT NULL,
    source text NOT NULL,
    source_name text NOT NULL,
    state text NOT NULL,
    problem text NOT NULL DEFAULT '',
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    stated_payments integer,
    stated_payments_fen bigint,
    stated_refunds integer,
    stated_refunds_fen bigint,
    last_line integer NOT NULL DEFAULT 0,
    payments integer NOT NULL DEFAULT 0,
    payments_fen bigint NOT NULL DEFAULT 0,
    refunds integer NOT NULL DEFAULT 0,
    refunds_fen bigint NOT NULL DEFAULT 0,
    compared_line integer NOT NULL DEFAULT 0,
    compared_until timestamptz,
    matched_payments integer NOT NULL DEFAULT 0,
    matched_payments_fen bigint NOT NULL DEFAULT 0,
    matched_refunds integer NOT NULL DEFAULT 0,
    matched_refunds_fen bigint NOT NULL DEFAULT 0,
    compared_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT statement_source CHECK (source IN ('platform', 'file')),
    CONSTRAINT statement_state CHECK (state IN ('receiving', 'comparing', 'compared', 'refused')),
    CONSTRAINT statement_adds_up CHECK (
        state NOT IN ('comparing', 'compared')
        OR (payments, payments_fen, refunds, refunds_fen)
            IS NOT DISTINCT FROM
            (stated_payments, stated_payments_fen, stated_refunds, stated_refunds_fen)
    ),
    CONSTRAINT statement_compared CHECK ((state = 'compared') = (compared_at IS NOT NULL)),
    CONSTRAINT statement_refused CHECK ((state = 'refused') = (problem <> ''))
);
COMMENT ON TABLE enrollment.statement IS
    'The statement of a day of the payment platform: what it states, what its lines add up to, how
    far they have been compared (lines, then our own money up to a time), and what was matched.
    next_attempt_at: when the platform is asked for it again, by the database''s clock';

CREATE TABLE enrollment.statement_line (
    statement_date date NOT NULL REFERENCES enrollment.statement (statement_date),
    import_id uuid NOT NULL,
    line integer NOT NULL,
    money text NOT NULL,
    subject_id text NOT NULL,
    payment_id text NOT NULL,
    order_id uuid NOT NULL,
    amount_fen bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    payment_code text NOT NULL,
    PRIMARY KEY (statement_date, import_id, line),
    CONSTRAINT statement_line_once UNIQUE (subject_id, money),
    CONSTRAINT statement_line_money CHECK (money IN ('payment', 'refund')),
    CONSTRAINT statement_line_subject CHECK (money = 'refund' OR subject_id = payment_id),
    CONSTRAINT statement_line_amount CHECK (amount_fen > 0)
);
COMMENT ON TABLE enrollment.statement_line IS
    'A payment or refund in a statement; subject_id is its id at the platform. Each is in one
    statement. Lines of another import than the statement''s are on their way out';

CREATE TABLE enrollment.difference (
    difference_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    statement_date date NOT NULL,
    money text NOT NULL,
    subject_id text NOT NULL,
    payment_id text NOT NULL,
    order_id uuid NOT NULL,
    session_code text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    here_fen bigint,
    there_fen bigint,
    moved_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open',
    resolution text,
    reason text NOT NULL DEFAULT '',
    decided_by text,
    decided_at timestamptz,
    confirmed_by text,
    confirmed_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT difference_once UNIQUE (subject_id, money),
    CONSTRAINT difference_money CHECK (money IN ('payment', 'refund')),
    CONSTRAINT difference_kind CHECK (CASE kind
        WHEN 'missing_here' THEN here_fen IS NULL AND there_fen IS NOT NULL
        WHEN 'missing_there' THEN here_fen IS NOT NULL AND there_fen IS NULL
        WHEN 'amount_differs' THEN coalesce(here_fen <> there_fen, false)
        WHEN 'order_differs' THEN coalesce(here_fen = there_fen, false)
        ELSE false
    END),
    CONSTRAINT difference_state CHECK (state IN ('open', 'in_review', 'resolved')),
    CONSTRAINT difference_resolution
        CHECK (resolution IN ('settled', 'refunded', 'written_off', 'explained')),
    CONSTRAINT difference_decided CHECK (
        (state = 'open') = (resolution IS NULL)
        AND (state = 'open') = (decided_by IS NULL)
        AND (state = 'open') = (decided_at IS NULL)
    ),
    CONSTRAINT difference_two_officers CHECK (
        (confirmed_by IS NULL) = (confirmed_at IS NULL)
        AND (confirmed_by IS NULL OR (state = 'resolved' AND confirmed_by <> decided_by))
    )
);
COMMENT ON TABLE enrollment.difference IS
    'Money that is not the same here and at the platform, of the day that it belongs to; without a
    county when its order is not known. next_attempt_at: when a payment that is missing here is
    settled again, by the database''s clock';
CREATE INDEX difference_by_day ON enrollment.difference (statement_date DESC, difference_id);
CREATE INDEX difference_unresolved ON enrollment.difference (next_attempt_at)
    WHERE state <> 'resolved';

-- Payments come nearly in the order of their times: these cost next to nothing.
CREATE INDEX payment_by_time ON enrollment.payment USING brin (paid_at) WITH (pages_per_range = 16);
CREATE INDEX payment_by_receipt ON enrollment.payment
    USING brin (received_at) WITH (pages_per_range = 16);

CREATE VIEW enrollment.paid_order AS
SELECT payment_order_id AS platform_order_id, order_id, session_code, county_code
FROM enrollment.payment_order
JOIN enrollment.enrollment_order USING (order_id);
COMMENT ON VIEW enrollment.paid_order IS
    'The order that an order of the payment platform pays, and whose money it is';

CREATE VIEW enrollment.stated_money AS
SELECT line.statement_date, line.line, line.money, line.subject_id, line.payment_id, line.order_id,
    line.amount_fen, line.moved_at, line.payment_code
FROM enrollment.statement_line AS line
JOIN enrollment.statement
    ON statement.statement_date = line.statement_date AND statement.import_id = line.import_id
WHERE statement.state IN ('comparing', 'compared');
COMMENT ON VIEW enrollment.stated_money IS
    'What complete statements have: lines of one that is still received, was refused or has given way
    do not count';

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

-- Every service with mutations (zikao_kit.idempotency).
CREATE TABLE enrollment.idempotency (
    actor text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    body_sha256 bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, request_id)
);
COMMENT ON TABLE enrollment.idempotency IS
    'Answers by request id: the same id with the same body is answered again';
CREATE INDEX idempotency_by_age ON enrollment.idempotency (created_at);

-- A service with a feed (zikao_kit.feed).
CREATE TABLE enrollment.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE enrollment.outbox IS 'The feed: the state of a key after each change';
COMMENT ON COLUMN enrollment.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';
CREATE INDEX outbox_by_key ON enrollment.outbox (event_key, position);

-- A service that verifies access tokens issued elsewhere (zikao_kit.token_keys).
CREATE TABLE enrollment.trusted_key (
    key_id text PRIMARY KEY,
    public_key bytea NOT NULL
);
COMMENT ON TABLE enrollment.trusted_key IS
    'Keys of access tokens as known last: a restart works while their issuer is away';

-- A service that follows a feed (zikao_kit.feed_consumer).
CREATE TABLE enrollment.feed_cursor (
    source text PRIMARY KEY,
    cursor text NOT NULL,
    as_of timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE enrollment.feed_cursor IS
    'How far the feeds of others have been applied: all that was committed there before as_of;
    updated_at shows that somebody is at it';

CREATE TABLE enrollment.waiting_room (
    session_code text NOT NULL REFERENCES enrollment.session (session_code),
    track text NOT NULL,
    state text NOT NULL DEFAULT 'waiting',
    committed bytea NOT NULL,
    committed_hash bytea NOT NULL GENERATED ALWAYS AS (sha256(committed)) STORED,
    fresh bytea,
    seed bytea GENERATED ALWAYS AS (sha256(committed || fresh)) STORED,
    pass_key bytea NOT NULL,
    drawn_count integer,
    late_count integer NOT NULL DEFAULT 0,
    admitted_until integer NOT NULL DEFAULT 0,
    rate double precision,
    ceiling double precision,
    held boolean NOT NULL DEFAULT false,
    leader uuid,
    leader_until timestamptz,
    opened_at timestamptz NOT NULL,
    drawn_at timestamptz,
    PRIMARY KEY (session_code, track),
    CONSTRAINT waiting_room_track CHECK (track IN ('social', 'applied')),
    CONSTRAINT waiting_room_state CHECK (state IN ('waiting', 'admitting', 'open')),
    CONSTRAINT waiting_room_secrets
        CHECK (octet_length(committed) = 32 AND octet_length(pass_key) = 32),
    CONSTRAINT waiting_room_draw CHECK (
        (state = 'waiting') = (fresh IS NULL)
        AND (fresh IS NULL) = (drawn_count IS NULL)
        AND (fresh IS NULL) = (drawn_at IS NULL)
        AND (fresh IS NULL OR octet_length(fresh) = 32)
    ),
    CONSTRAINT waiting_room_late
        CHECK (late_count >= 0 AND (drawn_count IS NOT NULL OR late_count = 0)),
    CONSTRAINT waiting_room_admits_who_is_there
        CHECK (admitted_until BETWEEN 0 AND coalesce(drawn_count, 0) + late_count),
    CONSTRAINT waiting_room_rates CHECK (rate >= 0 AND ceiling >= 0)
);
COMMENT ON TABLE enrollment.waiting_room IS
    'Room of a session''s track: its draw (seed is of what was committed before and made fresh at the opening), and how far it has admitted; rate is that of the last seconds, ceiling what an office allows';

CREATE TABLE enrollment.waiting_place (
    session_code text NOT NULL,
    track text NOT NULL,
    candidate_id uuid NOT NULL,
    drawn boolean NOT NULL,
    late_number integer,
    late_turns integer NOT NULL DEFAULT 0,
    joined_at timestamptz NOT NULL,
    changed_xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (session_code, track, candidate_id),
    CONSTRAINT waiting_place_late UNIQUE (session_code, track, late_number),
    CONSTRAINT waiting_place_room
        FOREIGN KEY (session_code, track) REFERENCES enrollment.waiting_room (session_code, track),
    CONSTRAINT waiting_place_has_a_number CHECK (drawn OR late_number IS NOT NULL),
    CONSTRAINT waiting_place_turns
        CHECK (late_number >= 1 AND (late_number IS NULL) = (late_turns = 0) AND late_turns >= 0)
);
COMMENT ON TABLE enrollment.waiting_place IS
    'Place of a candidate. drawn: there before the draw, in which its number is the rank of sha256(seed, candidate_id); late_number, if any, counts behind the drawn ones and in place of its own';
-- Processes keep the places in memory, and read what has changed.
CREATE INDEX waiting_place_changed
    ON enrollment.waiting_place (session_code, track, changed_xid, candidate_id);

CREATE TABLE enrollment.waiting_admission (
    session_code text NOT NULL,
    track text NOT NULL,
    admitted_from integer NOT NULL,
    admitted_until integer NOT NULL,
    admitted_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, track, admitted_until),
    CONSTRAINT waiting_admission_begins_once UNIQUE (session_code, track, admitted_from),
    CONSTRAINT waiting_admission_room
        FOREIGN KEY (session_code, track) REFERENCES enrollment.waiting_room (session_code, track),
    CONSTRAINT waiting_admission_numbers
        CHECK (admitted_from >= 0 AND admitted_from < admitted_until)
);
COMMENT ON TABLE enrollment.waiting_admission IS
    'When the numbers after admitted_from up to admitted_until were admitted: their passes end a while later';

-- Unlogged: what is lost with a crash of the database is a few seconds old.
CREATE UNLOGGED TABLE enrollment.waiting_report (
    process_id uuid NOT NULL,
    session_code text NOT NULL,
    track text NOT NULL,
    finished bigint NOT NULL,
    shed bigint NOT NULL,
    wait_seconds double precision NOT NULL,
    standing boolean NOT NULL,
    came bigint NOT NULL,
    came_seconds double precision NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (process_id, session_code, track)
);
COMMENT ON TABLE enrollment.waiting_report IS
    'What a process has done since it started, for whoever decides how many a room admits: all its submissions, and those admitted by the room who came, with the time they took';

-- The audit in a chain of hashes: docs/audit-log.md.

CREATE TABLE enrollment.audit_unsealed (
    audit_id bigint PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE enrollment.audit_unsealed IS
    'Entries of the audit that are not yet in the chain; an entry leaves it only into the chain';

CREATE TABLE enrollment.audit_chain (
    number bigint PRIMARY KEY,
    audit_id bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE enrollment.audit_chain IS
    'The audit''s entries in the order they were sealed, without gaps; each hash covers the one before';

CREATE TABLE enrollment.audit_anchor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    cut_at timestamptz
);
COMMENT ON TABLE enrollment.audit_anchor IS
    'Where the chain begins: at number 0, and later at the last entry that retention has removed';
INSERT INTO enrollment.audit_anchor (number, sha256)
VALUES (0, sha256(convert_to('zikao audit log 1: enrollment', 'UTF8')));

CREATE FUNCTION enrollment.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
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
COMMENT ON FUNCTION enrollment.keep_audit() IS
    'Keeps the audit and its chain append-only; old entries go through cut_audit alone';

CREATE FUNCTION enrollment.keep_until_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM enrollment.audit_chain WHERE audit_id = OLD.audit_id) THEN
        RAISE EXCEPTION 'entry % is not in the chain', OLD.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION enrollment.keep_until_sealed() IS 'No entry leaves audit_unsealed but into the chain';

CREATE FUNCTION enrollment.note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO enrollment.audit_unsealed (audit_id) SELECT audit_id FROM entered;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION enrollment.note_unsealed() IS 'Has every new entry of the audit sealed';

CREATE FUNCTION enrollment.require_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM enrollment.audit_entry WHERE audit_id = NEW.audit_id)
        OR EXISTS (SELECT FROM enrollment.audit_chain WHERE audit_id = NEW.audit_id)
    THEN
        RAISE EXCEPTION '% is no entry that is to be sealed', NEW.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.noted_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION enrollment.require_unsealed() IS
    'Nothing waits for the chain but entries that are not in it, and since when is the truth';

CREATE FUNCTION enrollment.require_sealed_now() RETURNS trigger LANGUAGE plpgsql AS $$
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
COMMENT ON FUNCTION enrollment.require_sealed_now() IS 'Nobody seals an entry as of long ago';

CREATE FUNCTION enrollment.audit_kept_since() RETURNS timestamptz LANGUAGE sql STABLE
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
COMMENT ON FUNCTION enrollment.audit_kept_since() IS
    'What was sealed since then stays, by the real clock; only who owns the database lets it go,
    where a rehearsal moves the clock: ALTER DATABASE … SET zikao.young_audit_may_go = on';

CREATE FUNCTION enrollment.keep_young_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE sealed_at >= enrollment.audit_kept_since()) THEN
        RAISE EXCEPTION 'what was sealed in the last six months stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION enrollment.keep_young_audit() IS 'No link leaves the chain before its time, not even by cut_audit';

CREATE FUNCTION enrollment.cut_audit(up_to bigint, older_than timestamptz, cut_now timestamptz)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    anchored bigint;
BEGIN
    SELECT number INTO STRICT anchored FROM enrollment.audit_anchor FOR UPDATE;
    IF up_to <= anchored OR up_to >= (SELECT max(number) FROM enrollment.audit_chain) THEN
        RAISE EXCEPTION 'nothing to cut, or nothing left after %', up_to;
    END IF;
    IF EXISTS (
        SELECT
        FROM enrollment.audit_chain AS link
        LEFT JOIN enrollment.audit_entry AS entry ON entry.audit_id = link.audit_id
        WHERE link.number <= up_to AND (entry.at >= older_than) IS NOT FALSE
    ) THEN
        RAISE EXCEPTION 'not all entries up to % are from before %', up_to, older_than
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('enrollment.cutting_audit', 'on', true);
    UPDATE enrollment.audit_anchor AS anchor
    SET number = link.number, sha256 = link.sha256, cut_at = cut_now
    FROM enrollment.audit_chain AS link
    WHERE link.number = up_to;
    DELETE FROM enrollment.audit_entry AS entry
    USING enrollment.audit_chain AS link
    WHERE link.number <= up_to AND entry.audit_id = link.audit_id;
    DELETE FROM enrollment.audit_chain AS link WHERE link.number <= up_to;
    PERFORM set_config('enrollment.cutting_audit', 'off', true);
    RETURN up_to - anchored;
END
$$;
COMMENT ON FUNCTION enrollment.cut_audit(bigint, timestamptz, timestamptz) IS
    'Removes the oldest entries up to a number, all from before a time; the anchor takes their place';

CREATE TRIGGER audit_unsealed_noted BEFORE INSERT ON enrollment.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION enrollment.require_unsealed();
CREATE TRIGGER audit_unsealed_kept BEFORE DELETE ON enrollment.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION enrollment.keep_until_sealed();
CREATE TRIGGER audit_unsealed_append_only BEFORE UPDATE OR TRUNCATE ON enrollment.audit_unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.keep_audit();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.keep_audit();
CREATE TRIGGER audit_chain_sealed_now AFTER INSERT ON enrollment.audit_chain
    REFERENCING NEW TABLE AS sealed
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.require_sealed_now();
CREATE TRIGGER audit_chain_kept AFTER DELETE ON enrollment.audit_chain
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.keep_young_audit();
CREATE TRIGGER audit_anchor_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.keep_audit();

-- Entries as the chain takes them, alike in all services.
CREATE VIEW enrollment.audit_entry AS
SELECT audit_id, at, actor, role, action, session_code AS subject, county_prefix AS area, before, after
FROM enrollment.office_audit;
COMMENT ON VIEW enrollment.audit_entry IS 'Entries of the audit as the chain takes them';
CREATE OR REPLACE TRIGGER office_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON enrollment.office_audit
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.keep_audit();
CREATE TRIGGER office_audit_noted AFTER INSERT ON enrollment.office_audit
    REFERENCING NEW TABLE AS entered
    FOR EACH STATEMENT EXECUTE FUNCTION enrollment.note_unsealed();

CREATE TABLE enrollment.order_trace (
    order_id uuid PRIMARY KEY,
    traceparent text NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE enrollment.order_trace IS
    'Of orders whose submission is traced, until they are confirmed: the event goes on with it';
