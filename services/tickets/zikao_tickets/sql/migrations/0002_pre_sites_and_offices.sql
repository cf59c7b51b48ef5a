-- What a room looks like and may be used for, who needs an accessible seat, acts of offices.

ALTER TABLE tickets.room
    ADD COLUMN layout text NOT NULL DEFAULT 'snake',
    ADD COLUMN numbering integer[],
    ADD COLUMN accessible integer[] NOT NULL DEFAULT '{}',
    ADD COLUMN use text NOT NULL DEFAULT 'normal',
    ADD COLUMN use_reason text NOT NULL DEFAULT '',
    -- By the database, so that a process of the version before can still store rooms.
    ADD COLUMN capacity integer GENERATED ALWAYS AS (
        CASE
            WHEN numbering IS NULL THEN columns * rows
            ELSE cardinality(array_remove(numbering, 0))
        END
    ) STORED,
    ADD CONSTRAINT room_layout CHECK (layout IN ('snake', 'snake_rows', 'rows', 'custom')),
    ADD CONSTRAINT room_numbering CHECK (
        (layout = 'custom') = (numbering IS NOT NULL)
        AND coalesce(cardinality(numbering), columns * rows) = columns * rows
    ),
    ADD CONSTRAINT room_capacity CHECK (capacity >= 1),
    ADD CONSTRAINT room_accessible CHECK (1 <= ALL (accessible) AND capacity >= ALL (accessible)),
    ADD CONSTRAINT room_use CHECK (use IN ('normal', 'reserve', 'closed'));
COMMENT ON TABLE tickets.room IS
    'Rooms of a site. Seats are numbered as layout says, or by numbering: column by column from the
    front door, 0 for no desk. Arrangements use normal rooms, late changes reserve rooms too, and
    nothing closed ones; accessible has numbers of seats';

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
