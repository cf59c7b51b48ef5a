-- Arranging as an operation: stages, proofs, what was counted, cancelling, approval.

CREATE TABLE tickets.arrangement_operation (
    operation_id uuid PRIMARY KEY,
    session_code text NOT NULL REFERENCES tickets.session (session_code),
    county_prefix text NOT NULL,
    started_at timestamptz NOT NULL,
    started_by text NOT NULL
);
COMMENT ON TABLE tickets.arrangement_operation IS
    'Arrangements of many counties that were started together';

ALTER TABLE tickets.arrangement
    ADD COLUMN operation_id uuid REFERENCES tickets.arrangement_operation (operation_id),
    ADD COLUMN stage text NOT NULL DEFAULT 'waiting',
    ADD COLUMN stage_done integer NOT NULL DEFAULT 0,
    ADD COLUMN stage_total integer NOT NULL DEFAULT 0,
    ADD COLUMN anew boolean NOT NULL DEFAULT false,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN approved_at timestamptz,
    ADD COLUMN approved_by text,
    ADD COLUMN checked_at timestamptz,
    ADD COLUMN rooms_bound integer NOT NULL DEFAULT 0,
    ADD COLUMN packs integer NOT NULL DEFAULT 0,
    ADD COLUMN packs_bound integer NOT NULL DEFAULT 0,
    ADD COLUMN site_changes integer NOT NULL DEFAULT 0,
    ADD COLUMN site_changes_bound integer NOT NULL DEFAULT 0,
    ADD COLUMN changers integer NOT NULL DEFAULT 0,
    ADD COLUMN gap_reason text NOT NULL DEFAULT '',
    ADD COLUMN changed integer NOT NULL DEFAULT 0,
    ADD COLUMN moved integer NOT NULL DEFAULT 0,
    ADD COLUMN late_shares integer NOT NULL DEFAULT 0,
    ADD COLUMN roster_sha256 bytea,
    ADD COLUMN seats_sha256 bytea,
    DROP CONSTRAINT arrangement_state,
    ADD CONSTRAINT arrangement_state CHECK (state IN (
        'pending', 'running', 'done', 'approved', 'published', 'superseded', 'failed', 'cancelled'
    )),
    ADD CONSTRAINT arrangement_stage
        CHECK (stage IN ('waiting', 'reading', 'rooms', 'sites', 'late', 'seating')),
    ADD CONSTRAINT arrangement_approved CHECK (
        state <> 'approved' OR (approved_at IS NOT NULL AND approved_by IS NOT NULL)
    );
COMMENT ON TABLE tickets.arrangement IS
    'Arrangements of counties; requested_at and leased_until go by the database''s clock,
    attempts counts the leases that were taken,
    based_on is the arrangement that was in force when it was made,
    roster_sha256 is of who sits what, seats_sha256 of who sits where';
CREATE INDEX arrangement_by_operation ON tickets.arrangement (operation_id)
    WHERE operation_id IS NOT NULL;
CREATE INDEX arrangement_by_county
    ON tickets.arrangement (session_code, county_code, started_at, arrangement_id);

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

ALTER TABLE tickets.seat ADD COLUMN late boolean NOT NULL DEFAULT false;
COMMENT ON TABLE tickets.seat IS
    'Who sits where; the keys refuse two people on a seat and one person on two seats in a slot;
    late: seated in a room of its own by a late change although its course has seats elsewhere';
