-- Schema of the tickets service: rooms, projections of the two feeds, arrangements, tickets,
-- acts of offices.
-- Personal data is encrypted by the service; the database never sees it in clear.

CREATE SCHEMA IF NOT EXISTS tickets;

CREATE TABLE tickets.session (
    session_code text PRIMARY KEY,
    body jsonb NOT NULL,
    applied_at timestamptz NOT NULL
);
COMMENT ON TABLE tickets.session IS 'Settings of a session, as applied from its file';

CREATE TABLE tickets.site (
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    site_code text NOT NULL,
    county_code text NOT NULL,
    county_name text NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    position integer NOT NULL,
    PRIMARY KEY (session_code, site_code)
);
COMMENT ON TABLE tickets.site IS 'Schools where a session is held, in the order in which they are filled';
CREATE INDEX site_by_county ON tickets.site (session_code, county_code, position);

CREATE TABLE tickets.room (
    session_code text NOT NULL,
    site_code text NOT NULL,
    room_code text NOT NULL,
    columns integer NOT NULL,
    rows integer NOT NULL,
    position integer NOT NULL,
    layout text NOT NULL DEFAULT 'snake',
    numbering integer[],
    accessible integer[] NOT NULL DEFAULT '{}',
    use text NOT NULL DEFAULT 'normal',
    use_reason text NOT NULL DEFAULT '',
    -- By the database, so that a process of the version before can still store rooms.
    capacity integer GENERATED ALWAYS AS (
        CASE
            WHEN numbering IS NULL THEN columns * rows
            ELSE cardinality(array_remove(numbering, 0))
        END
    ) STORED,
    PRIMARY KEY (session_code, site_code, room_code),
    CONSTRAINT room_site FOREIGN KEY (session_code, site_code)
        REFERENCES tickets.site (session_code, site_code),
    CONSTRAINT room_size CHECK (columns BETWEEN 1 AND 20 AND rows BETWEEN 1 AND 20),
    CONSTRAINT room_layout CHECK (layout IN ('snake', 'snake_rows', 'rows', 'custom')),
    CONSTRAINT room_numbering CHECK (
        (layout = 'custom') = (numbering IS NOT NULL)
        AND coalesce(cardinality(numbering), columns * rows) = columns * rows
    ),
    CONSTRAINT room_capacity CHECK (capacity >= 1),
    CONSTRAINT room_accessible CHECK (1 <= ALL (accessible) AND capacity >= ALL (accessible)),
    CONSTRAINT room_use CHECK (use IN ('normal', 'reserve', 'closed'))
);
COMMENT ON TABLE tickets.room IS
    'Rooms of a site. Seats are numbered as layout says, or by numbering: column by column from the
    front door, 0 for no desk. Arrangements use normal rooms, late changes reserve rooms too, and
    nothing closed ones; accessible has numbers of seats';

CREATE TABLE tickets.candidate (
    candidate_id uuid PRIMARY KEY,
    ticket_number text NOT NULL,
    personal_enc bytea NOT NULL,
    photo_sha256 bytea NOT NULL,
    photo_asked_at timestamptz
);
COMMENT ON TABLE tickets.candidate IS
    'Projection of the candidate feed; uniqueness of the number is registration''s to keep,
    photo_asked_at (database''s clock) spares registration questions it could not answer';
CREATE INDEX candidate_by_ticket_number ON tickets.candidate (ticket_number);

CREATE TABLE tickets.photo (
    candidate_id uuid NOT NULL,
    sha256 bytea NOT NULL,
    jpeg_enc bytea NOT NULL,
    fetched_at timestamptz NOT NULL,
    PRIMARY KEY (candidate_id, sha256)
);
COMMENT ON TABLE tickets.photo IS 'Photos fetched from registration for candidates with sittings';

CREATE TABLE tickets.sitting (
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    slot integer NOT NULL,
    county_code text NOT NULL,
    course_code text NOT NULL,
    PRIMARY KEY (session_code, candidate_id, slot)
);
COMMENT ON TABLE tickets.sitting IS
    'Projection of the enrollment feed: confirmed courses; the key keeps a person to one course a slot';
CREATE INDEX sitting_by_county ON tickets.sitting (session_code, county_code);

CREATE TABLE tickets.arrangement_operation (
    operation_id uuid PRIMARY KEY,
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    county_prefix text NOT NULL,
    started_at timestamptz NOT NULL,
    started_by text NOT NULL
);
COMMENT ON TABLE tickets.arrangement_operation IS
    'Arrangements of many counties that were started together';

CREATE TABLE tickets.arrangement (
    arrangement_id uuid PRIMARY KEY,
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    county_code text NOT NULL,
    state text NOT NULL,
    seed_enc bytea NOT NULL,
    seed_sha256 bytea NOT NULL,
    candidates integer NOT NULL DEFAULT 0,
    sittings integer NOT NULL DEFAULT 0,
    rooms integer NOT NULL DEFAULT 0,
    failure text NOT NULL DEFAULT '',
    started_at timestamptz NOT NULL,
    started_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    leased_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    based_on uuid REFERENCES tickets.arrangement (arrangement_id),
    published_at timestamptz,
    published_by text,
    operation_id uuid REFERENCES tickets.arrangement_operation (operation_id),
    stage text NOT NULL DEFAULT 'waiting',
    stage_done integer NOT NULL DEFAULT 0,
    stage_total integer NOT NULL DEFAULT 0,
    anew boolean NOT NULL DEFAULT false,
    cancel_requested_at timestamptz,
    approved_at timestamptz,
    approved_by text,
    checked_at timestamptz,
    rooms_bound integer NOT NULL DEFAULT 0,
    packs integer NOT NULL DEFAULT 0,
    packs_bound integer NOT NULL DEFAULT 0,
    site_changes integer NOT NULL DEFAULT 0,
    site_changes_bound integer NOT NULL DEFAULT 0,
    changers integer NOT NULL DEFAULT 0,
    gap_reason text NOT NULL DEFAULT '',
    changed integer NOT NULL DEFAULT 0,
    moved integer NOT NULL DEFAULT 0,
    late_shares integer NOT NULL DEFAULT 0,
    roster_sha256 bytea,
    seats_sha256 bytea,
    publish_attempts integer NOT NULL DEFAULT 0,
    seeded_on uuid REFERENCES tickets.arrangement (arrangement_id),
    fixes_seed boolean NOT NULL DEFAULT false,
    CONSTRAINT arrangement_state CHECK (state IN (
        'pending', 'running', 'done', 'approved', 'published', 'superseded', 'failed', 'cancelled',
        'discarded'
    )),
    CONSTRAINT arrangement_stage
        CHECK (stage IN ('waiting', 'reading', 'rooms', 'sites', 'late', 'seating')),
    CONSTRAINT arrangement_approved CHECK (
        state <> 'approved' OR (approved_at IS NOT NULL AND approved_by IS NOT NULL)
    ),
    CONSTRAINT arrangement_published CHECK (
        (state IN ('published', 'superseded'))
        = (published_at IS NOT NULL AND published_by IS NOT NULL)
    )
);
COMMENT ON TABLE tickets.arrangement IS
    'Arrangements of counties; requested_at and leased_until go by the database''s clock,
    attempts counts the leases that were taken, publish_attempts the tries since it was approved,
    seeded_on is the arrangement that was in force when it was started, whose next seed it has;
    the one that fixes_seed was the first to have it,
    based_on is the arrangement that was in force when it was made,
    roster_sha256 is of who sits what, seats_sha256 of who sits where';
CREATE UNIQUE INDEX arrangement_in_progress ON tickets.arrangement (session_code, county_code)
    WHERE state IN ('pending', 'running');
CREATE UNIQUE INDEX arrangement_in_force ON tickets.arrangement (session_code, county_code)
    WHERE state = 'published';
CREATE INDEX arrangement_by_operation ON tickets.arrangement (operation_id)
    WHERE operation_id IS NOT NULL;
CREATE INDEX arrangement_by_county
    ON tickets.arrangement (session_code, county_code, started_at, arrangement_id);
CREATE INDEX arrangement_approved_order ON tickets.arrangement
    (publish_attempts, approved_at, county_code) WHERE state = 'approved';
CREATE UNIQUE INDEX arrangement_seed ON tickets.arrangement
    (session_code, county_code, seeded_on) NULLS NOT DISTINCT WHERE fixes_seed;

CREATE TABLE tickets.arrangement_slot (
    arrangement_id uuid NOT NULL REFERENCES tickets.arrangement (arrangement_id),
    slot integer NOT NULL,
    rooms integer NOT NULL,
    rooms_bound integer NOT NULL,
    proof_kind text NOT NULL,
    denominator bigint NOT NULL,
    weights bigint[] NOT NULL,
    capacities integer[] NOT NULL,
    room_counts integer[] NOT NULL,
    prices bigint[] NOT NULL,
    packs integer NOT NULL,
    packs_bound integer NOT NULL,
    PRIMARY KEY (arrangement_id, slot),
    CONSTRAINT arrangement_slot_kind CHECK (proof_kind IN ('weights', 'solver')),
    CONSTRAINT arrangement_slot_sizes CHECK (
        denominator > 0
        AND cardinality(capacities) > 0
        AND cardinality(room_counts) = cardinality(capacities)
        AND cardinality(prices) = cardinality(capacities)
    )
);
COMMENT ON TABLE tickets.arrangement_slot IS
    'Why a slot needs as many rooms as it has: weights by size of a remainder, prices by capacity
    (check_proof.sql says what they prove)';

CREATE TABLE tickets.arrangement_plan (
    arrangement_id uuid PRIMARY KEY REFERENCES tickets.arrangement (arrangement_id),
    input_sha256 bytea NOT NULL,
    plan bytea NOT NULL,
    accessible uuid[] NOT NULL
);
COMMENT ON TABLE tickets.arrangement_plan IS
    'What was solved, without people: kept before the draw, so that a crash changes nothing;
    input_sha256 is of the sittings, rooms and seats in force that it was solved for, accessible
    who of them needed such a seat';

CREATE TABLE tickets.seat (
    arrangement_id uuid NOT NULL,
    slot integer NOT NULL,
    session_code text NOT NULL,
    site_code text NOT NULL,
    room_code text NOT NULL,
    seat_number integer NOT NULL,
    candidate_id uuid NOT NULL,
    course_code text NOT NULL,
    late boolean NOT NULL DEFAULT false,
    PRIMARY KEY (arrangement_id, slot, site_code, room_code, seat_number),
    CONSTRAINT seat_one_a_slot UNIQUE (candidate_id, arrangement_id, slot),
    CONSTRAINT seat_from_one CHECK (seat_number >= 1)
);
COMMENT ON TABLE tickets.seat IS
    'Who sits where; the keys refuse two people on a seat and one person on two seats in a slot;
    late: seated in a room of its own by a late change although its course has seats elsewhere';

CREATE TABLE tickets.ticket (
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    version integer NOT NULL,
    county_code text NOT NULL,
    arrangement_id uuid NOT NULL REFERENCES tickets.arrangement (arrangement_id),
    ticket_number text NOT NULL,
    serial text NOT NULL,
    issued_at timestamptz NOT NULL,
    proof text,
    personal_enc bytea,
    photo_sha256 bytea,
    revoked_at timestamptz,
    kind text NOT NULL DEFAULT 'regular',
    reason text NOT NULL DEFAULT 'arranged',
    issued_by text NOT NULL DEFAULT '',
    without_photo boolean NOT NULL DEFAULT false,
    proof_key_id text,
    name_checked_at timestamptz,
    glyphs bytea,
    PRIMARY KEY (session_code, candidate_id, version),
    CONSTRAINT ticket_serial UNIQUE (serial),
    CONSTRAINT ticket_version CHECK (version BETWEEN 1 AND 65535),
    CONSTRAINT ticket_printed CHECK (num_nulls(proof, personal_enc, photo_sha256) IN (0, 3)),
    CONSTRAINT ticket_kind CHECK (kind IN ('regular', 'temporary')),
    CONSTRAINT ticket_reason CHECK (reason IN (
        'arranged', 'rearranged', 'lost', 'damaged', 'name_fixed', 'photo_fixed', 'temporary',
        'key_retired', 'site_corrected'
    ))
);
COMMENT ON TABLE tickets.ticket IS
    'Tickets by version; seats are those of the arrangement; the first print signs the proof and
    fixes person and photo';
COMMENT ON COLUMN tickets.ticket.glyphs IS
    'The printed_glyph of the first print, 32 bytes each, one after the other; NULL before it';
CREATE UNIQUE INDEX ticket_in_force ON tickets.ticket (session_code, candidate_id)
    WHERE revoked_at IS NULL;
CREATE INDEX ticket_by_county ON tickets.ticket (session_code, county_code, ticket_number);
CREATE INDEX ticket_by_number ON tickets.ticket (session_code, ticket_number);
CREATE INDEX ticket_revoked ON tickets.ticket (session_code, revoked_at)
    WHERE revoked_at IS NOT NULL;
CREATE INDEX ticket_unchecked ON tickets.ticket (session_code, candidate_id)
    WHERE name_checked_at IS NULL AND revoked_at IS NULL;
CREATE INDEX ticket_by_officer ON tickets.ticket (issued_by, issued_at) WHERE issued_by <> '';

CREATE TABLE tickets.notice_acknowledgement (
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    version integer NOT NULL,
    acknowledged_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, candidate_id, version)
);
COMMENT ON TABLE tickets.notice_acknowledgement IS 'Who has read which version of the notice';

CREATE TABLE tickets.print_log (
    print_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    version integer NOT NULL,
    printed_at timestamptz NOT NULL,
    printed_by text NOT NULL
);
COMMENT ON TABLE tickets.print_log IS 'Every ticket handed out, append-only';
CREATE INDEX print_log_by_candidate ON tickets.print_log (session_code, candidate_id);

CREATE TABLE tickets.verification (
    verification_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_code text,
    ticket_number text,
    version integer,
    verdict text NOT NULL,
    verified_at timestamptz NOT NULL,
    verified_by text NOT NULL,
    CONSTRAINT verification_ticket
        CHECK (num_nulls(session_code, ticket_number, version) IN (0, 3))
);
COMMENT ON TABLE tickets.verification IS
    'Every ticket checked at the door, accepted or not, append-only; no ticket where the text
    carried no proof with our signature';
CREATE INDEX verification_by_ticket
    ON tickets.verification (session_code, ticket_number, verification_id);

CREATE FUNCTION tickets.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
COMMENT ON FUNCTION tickets.refuse_change() IS 'Keeps append-only tables append-only';
CREATE TRIGGER print_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.print_log
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.refuse_change();
CREATE TRIGGER verification_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.verification
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.refuse_change();

CREATE TABLE tickets.unprintable (
    session_code text NOT NULL,
    candidate_id uuid NOT NULL,
    ticket_number text NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, candidate_id)
);
COMMENT ON TABLE tickets.unprintable IS 'Tickets an office must look after, such as names no font has';
CREATE INDEX unprintable_by_number ON tickets.unprintable (session_code, ticket_number);

CREATE TABLE tickets.proof_key (
    key_id text PRIMARY KEY,
    private_key_enc bytea NOT NULL,
    public_key bytea NOT NULL,
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    signs_from timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tickets.proof_key IS
    'Ed25519 keys of the proof, told to scanners from created_at on; the youngest whose time has
    come signs, and what a retired one has signed verifies no more';

CREATE TABLE tickets.trusted_key (
    key_id text PRIMARY KEY,
    public_key bytea NOT NULL
);
COMMENT ON TABLE tickets.trusted_key IS
    'Keys of access tokens as known last: a restart works while their issuer is away';

CREATE TABLE tickets.idempotency (
    actor text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    body_sha256 bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, request_id)
);
COMMENT ON TABLE tickets.idempotency IS
    'Answers by request id: the same id with the same body is answered again';
CREATE INDEX idempotency_by_age ON tickets.idempotency (created_at);

CREATE TABLE tickets.feed_cursor (
    source text PRIMARY KEY,
    cursor text NOT NULL,
    as_of timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tickets.feed_cursor IS
    'How far the feeds of others have been applied: all that was committed there before as_of;
    updated_at shows that somebody is at it';

CREATE TABLE tickets.accommodation (
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    candidate_id uuid NOT NULL,
    county_code text NOT NULL,
    need text NOT NULL,
    noted_by text NOT NULL,
    noted_at timestamptz NOT NULL,
    PRIMARY KEY (session_code, candidate_id),
    CONSTRAINT accommodation_need CHECK (need IN ('accessible_seat'))
);
COMMENT ON TABLE tickets.accommodation IS
    'What candidates need, as their county''s office has noted it; why they do is not kept';
CREATE INDEX accommodation_by_county
    ON tickets.accommodation (session_code, county_code, candidate_id);

CREATE TABLE tickets.office_action (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    action_id uuid NOT NULL,
    session_code text NOT NULL REFERENCES tickets.session (session_code),
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
COMMENT ON TABLE tickets.office_action IS
    'Acts of offices, done or waiting for a second officer until expires_at; act is OfficeAct as JSON';
CREATE INDEX office_action_by_county ON tickets.office_action (county_prefix, position);
-- An officer has a bounded number of acts that wait for another one.
CREATE INDEX office_action_pending ON tickets.office_action (proposed_by, expires_at)
    WHERE state = 'pending';

CREATE TABLE tickets.office_audit (
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
COMMENT ON TABLE tickets.office_audit IS
    'Who did what to rooms, seats and tickets when, before and after; append-only, no names.
    county_prefix: the code of the county, city or province that it was done to';
CREATE INDEX office_audit_by_county ON tickets.office_audit (county_prefix, audit_id);
CREATE INDEX office_audit_by_actor ON tickets.office_audit (actor, audit_id);
CREATE TRIGGER office_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.office_audit
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.refuse_change();

CREATE TABLE tickets.document (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    document_id uuid NOT NULL,
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    county_code text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    site_code text,
    slot integer,
    arrangement_id uuid NOT NULL REFERENCES tickets.arrangement (arrangement_id),
    as_of timestamptz NOT NULL,
    total integer NOT NULL,
    state text NOT NULL DEFAULT 'open',
    started_by text NOT NULL,
    notice_version integer,
    CONSTRAINT document_id UNIQUE (document_id),
    CONSTRAINT document_kind CHECK (
        kind IN ('tickets', 'sign_in_sheets', 'door_posters', 'desk_labels', 'paper_counts')
    ),
    CONSTRAINT document_state CHECK (state IN ('open', 'done', 'cancelled')),
    CONSTRAINT document_total CHECK (total >= 1)
);
COMMENT ON TABLE tickets.document IS
    'What offices print, of one arrangement as it was at as_of; total counts tickets, rooms, or
    sites and slots';
COMMENT ON COLUMN tickets.document.notice_version IS
    'Of tickets: the examination notice that they show; NULL of what shows none';
CREATE INDEX document_by_county ON tickets.document (session_code, county_code, position);

CREATE TABLE tickets.document_part (
    document_id uuid NOT NULL REFERENCES tickets.document (document_id),
    part integer NOT NULL,
    first text[] NOT NULL,
    last text[] NOT NULL,
    done integer NOT NULL,
    pages integer NOT NULL,
    size bigint NOT NULL,
    sha256 bytea NOT NULL,
    growth_enc bytea NOT NULL,
    left_out jsonb NOT NULL,
    PRIMARY KEY (document_id, part),
    CONSTRAINT document_part_from_zero CHECK (part >= 0)
);
COMMENT ON TABLE tickets.document_part IS
    'Parts that were made once, without their bytes: from which item to which one, what was left
    out, the hash that making it again must give, and (growth_enc) what the rest builds on: also
    which characters its names have';

CREATE TABLE tickets.verification_list (
    session_code text PRIMARY KEY,
    list_number bigint NOT NULL,
    content_sha256 bytea NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT verification_list_number CHECK (list_number >= 1)
);
COMMENT ON TABLE tickets.verification_list IS
    'Number of the list that scanners carry: it grows whenever keys or revoked tickets change';

CREATE TABLE tickets.supplied_glyph (
    character text PRIMARY KEY,
    png bytea NOT NULL,
    png_sha256 bytea NOT NULL,
    supplied_by text NOT NULL,
    supplied_at timestamptz NOT NULL,
    county_prefix text COLLATE "C" NOT NULL DEFAULT '',
    CONSTRAINT supplied_glyph_character CHECK (char_length(character) = 1)
);
COMMENT ON TABLE tickets.supplied_glyph IS
    'Pictures of characters that no font has, as offices have supplied them last';

CREATE TABLE tickets.scan (
    scan_id uuid PRIMARY KEY,
    session_code text NOT NULL,
    slot integer NOT NULL,
    ticket_number text NOT NULL,
    version integer NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    site_code text NOT NULL,
    room_code text NOT NULL,
    device text NOT NULL,
    scanned_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    uploaded boolean NOT NULL,
    CONSTRAINT scan_slot CHECK (slot BETWEEN 1 AND 255)
);
COMMENT ON TABLE tickets.scan IS
    'Tickets scanned at doors, with our signature, by the id that the device gave each scan;
    uploaded: it was made without a network. Append-only, and duplicates are asked of it';
CREATE INDEX scan_by_ticket ON tickets.scan (session_code, ticket_number, slot);
CREATE INDEX scan_by_county ON tickets.scan (session_code, county_code, slot, ticket_number);
CREATE TRIGGER scan_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.scan
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.refuse_change();

CREATE TABLE tickets.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE tickets.outbox IS 'The feed: the state of a key after each change';
COMMENT ON COLUMN tickets.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';
CREATE INDEX outbox_by_key ON tickets.outbox (event_key, position);

CREATE TABLE tickets.printed_glyph (
    glyph_sha256 bytea PRIMARY KEY,
    character text NOT NULL,
    png bytea NOT NULL,
    CONSTRAINT printed_glyph_character CHECK (char_length(character) = 1)
);
COMMENT ON TABLE tickets.printed_glyph IS
    'Pictures that were on a first print, by the SHA-256 of character and PNG: printing again draws
    the same, whatever offices have supplied since';

-- The audit in a chain of hashes: docs/audit-log.md.

CREATE TABLE tickets.audit_unsealed (
    audit_id bigint PRIMARY KEY,
    noted_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE tickets.audit_unsealed IS
    'Entries of the audit that are not yet in the chain; an entry leaves it only into the chain';

CREATE TABLE tickets.audit_chain (
    number bigint PRIMARY KEY,
    audit_id bigint NOT NULL UNIQUE,
    sealed_at timestamptz NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32)
);
COMMENT ON TABLE tickets.audit_chain IS
    'The audit''s entries in the order they were sealed, without gaps; each hash covers the one before';

CREATE TABLE tickets.audit_anchor (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    number bigint NOT NULL,
    sha256 bytea NOT NULL CHECK (octet_length(sha256) = 32),
    cut_at timestamptz
);
COMMENT ON TABLE tickets.audit_anchor IS
    'Where the chain begins: at number 0, and later at the last entry that retention has removed';
INSERT INTO tickets.audit_anchor (number, sha256)
VALUES (0, sha256(convert_to('zikao audit log 1: tickets', 'UTF8')));

CREATE FUNCTION tickets.keep_audit() RETURNS trigger LANGUAGE plpgsql AS $$
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
COMMENT ON FUNCTION tickets.keep_audit() IS
    'Keeps the audit and its chain append-only; old entries go through cut_audit alone';

CREATE FUNCTION tickets.keep_until_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tickets.audit_chain WHERE audit_id = OLD.audit_id) THEN
        RAISE EXCEPTION 'entry % is not in the chain', OLD.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN OLD;
END
$$;
COMMENT ON FUNCTION tickets.keep_until_sealed() IS 'No entry leaves audit_unsealed but into the chain';

CREATE FUNCTION tickets.note_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO tickets.audit_unsealed (audit_id) SELECT audit_id FROM entered;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tickets.note_unsealed() IS 'Has every new entry of the audit sealed';

CREATE FUNCTION tickets.require_unsealed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tickets.audit_entry WHERE audit_id = NEW.audit_id)
        OR EXISTS (SELECT FROM tickets.audit_chain WHERE audit_id = NEW.audit_id)
    THEN
        RAISE EXCEPTION '% is no entry that is to be sealed', NEW.audit_id
            USING ERRCODE = 'restrict_violation';
    END IF;
    NEW.noted_at := clock_timestamp();
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION tickets.require_unsealed() IS
    'Nothing waits for the chain but entries that are not in it, and since when is the truth';

CREATE FUNCTION tickets.require_sealed_now() RETURNS trigger LANGUAGE plpgsql AS $$
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
COMMENT ON FUNCTION tickets.require_sealed_now() IS 'Nobody seals an entry as of long ago';

CREATE FUNCTION tickets.audit_kept_since() RETURNS timestamptz LANGUAGE sql STABLE
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
COMMENT ON FUNCTION tickets.audit_kept_since() IS
    'What was sealed since then stays, by the real clock; only who owns the database lets it go,
    where a rehearsal moves the clock: ALTER DATABASE … SET zikao.young_audit_may_go = on';

CREATE FUNCTION tickets.keep_young_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM gone WHERE sealed_at >= tickets.audit_kept_since()) THEN
        RAISE EXCEPTION 'what was sealed in the last six months stays'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION tickets.keep_young_audit() IS 'No link leaves the chain before its time, not even by cut_audit';

CREATE FUNCTION tickets.cut_audit(up_to bigint, older_than timestamptz, cut_now timestamptz)
    RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    anchored bigint;
BEGIN
    SELECT number INTO STRICT anchored FROM tickets.audit_anchor FOR UPDATE;
    IF up_to <= anchored OR up_to >= (SELECT max(number) FROM tickets.audit_chain) THEN
        RAISE EXCEPTION 'nothing to cut, or nothing left after %', up_to;
    END IF;
    IF EXISTS (
        SELECT
        FROM tickets.audit_chain AS link
        LEFT JOIN tickets.audit_entry AS entry ON entry.audit_id = link.audit_id
        WHERE link.number <= up_to AND (entry.at >= older_than) IS NOT FALSE
    ) THEN
        RAISE EXCEPTION 'not all entries up to % are from before %', up_to, older_than
            USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM set_config('tickets.cutting_audit', 'on', true);
    UPDATE tickets.audit_anchor AS anchor
    SET number = link.number, sha256 = link.sha256, cut_at = cut_now
    FROM tickets.audit_chain AS link
    WHERE link.number = up_to;
    DELETE FROM tickets.audit_entry AS entry
    USING tickets.audit_chain AS link
    WHERE link.number <= up_to AND entry.audit_id = link.audit_id;
    DELETE FROM tickets.audit_chain AS link WHERE link.number <= up_to;
    PERFORM set_config('tickets.cutting_audit', 'off', true);
    RETURN up_to - anchored;
END
$$;
COMMENT ON FUNCTION tickets.cut_audit(bigint, timestamptz, timestamptz) IS
    'Removes the oldest entries up to a number, all from before a time; the anchor takes their place';

CREATE TRIGGER audit_unsealed_noted BEFORE INSERT ON tickets.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION tickets.require_unsealed();
CREATE TRIGGER audit_unsealed_kept BEFORE DELETE ON tickets.audit_unsealed
    FOR EACH ROW EXECUTE FUNCTION tickets.keep_until_sealed();
CREATE TRIGGER audit_unsealed_append_only BEFORE UPDATE OR TRUNCATE ON tickets.audit_unsealed
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_audit();
CREATE TRIGGER audit_chain_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.audit_chain
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_audit();
CREATE TRIGGER audit_chain_sealed_now AFTER INSERT ON tickets.audit_chain
    REFERENCING NEW TABLE AS sealed
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.require_sealed_now();
CREATE TRIGGER audit_chain_kept AFTER DELETE ON tickets.audit_chain
    REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_young_audit();
CREATE TRIGGER audit_anchor_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.audit_anchor
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_audit();

-- Entries as the chain takes them, alike in all services.
CREATE VIEW tickets.audit_entry AS
SELECT audit_id, at, actor, role, action, session_code AS subject, county_prefix AS area, before, after
FROM tickets.office_audit;
COMMENT ON VIEW tickets.audit_entry IS 'Entries of the audit as the chain takes them';
CREATE OR REPLACE TRIGGER office_audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tickets.office_audit
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.keep_audit();
CREATE TRIGGER office_audit_noted AFTER INSERT ON tickets.office_audit
    REFERENCING NEW TABLE AS entered
    FOR EACH STATEMENT EXECUTE FUNCTION tickets.note_unsealed();
