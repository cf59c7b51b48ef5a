-- The waiting room before an opening: see docs/waiting-room.md.
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
    process_id uuid PRIMARY KEY,
    finished bigint NOT NULL,
    shed bigint NOT NULL,
    passes_used bigint NOT NULL,
    wait_ms double precision NOT NULL,
    standing boolean NOT NULL,
    reported_at timestamptz NOT NULL
);
COMMENT ON TABLE enrollment.waiting_report IS
    'What each process has done since it started, for whoever decides how many are admitted';
