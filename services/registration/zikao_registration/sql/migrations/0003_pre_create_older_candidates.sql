-- Candidates who had their ticket numbers before this system (DOMAIN section 3, Activation).
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
