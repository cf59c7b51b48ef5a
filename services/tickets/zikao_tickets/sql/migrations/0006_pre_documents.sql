-- Documents that offices print of a county, made in parts while they are fetched.

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

-- Documents also show tickets that were revoked after their moment.
DROP INDEX tickets.ticket_by_county;
CREATE INDEX ticket_by_county ON tickets.ticket (session_code, county_code, ticket_number);
