-- Versions of tickets by offices, the feed of tickets, glyphs that offices supply, what scanners
-- carry and what they have scanned.

ALTER TABLE tickets.ticket
    ADD COLUMN kind text NOT NULL DEFAULT 'regular',
    ADD COLUMN reason text NOT NULL DEFAULT 'arranged',
    ADD COLUMN issued_by text NOT NULL DEFAULT '',
    ADD COLUMN without_photo boolean NOT NULL DEFAULT false,
    ADD COLUMN proof_key_id text,
    ADD COLUMN name_checked_at timestamptz,
    ADD CONSTRAINT ticket_kind CHECK (kind IN ('regular', 'temporary')),
    ADD CONSTRAINT ticket_reason CHECK (reason IN (
        'arranged', 'rearranged', 'lost', 'damaged', 'name_fixed', 'photo_fixed', 'temporary',
        'key_retired'
    ));
CREATE INDEX ticket_unchecked ON tickets.ticket (session_code, candidate_id)
    WHERE name_checked_at IS NULL AND revoked_at IS NULL;
CREATE INDEX unprintable_by_number ON tickets.unprintable (session_code, ticket_number);

-- The default is for processes of before, which go on while this is there: their keys sign at once.
ALTER TABLE tickets.proof_key ADD COLUMN signs_from timestamptz NOT NULL DEFAULT now();
UPDATE tickets.proof_key SET signs_from = created_at;
COMMENT ON TABLE tickets.proof_key IS
    'Ed25519 keys of the proof, told to scanners from created_at on; the youngest whose time has
    come signs, and what a retired one has signed verifies no more';

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
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE tickets.outbox IS 'The feed: the state of a key after each change';
CREATE INDEX outbox_by_key ON tickets.outbox (event_key, position);
