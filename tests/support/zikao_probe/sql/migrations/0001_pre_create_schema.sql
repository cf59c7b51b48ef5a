-- The kit's tables, and one of the probe's own.

CREATE SCHEMA IF NOT EXISTS probe;

CREATE TABLE probe.account (
    account_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL,
    balance bigint NOT NULL DEFAULT 0,
    body jsonb,
    CONSTRAINT account_name_unique UNIQUE (name),
    CONSTRAINT account_not_negative CHECK (balance >= 0)
);

CREATE TABLE probe.entry (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_name text NOT NULL,
    amount bigint NOT NULL,
    CONSTRAINT entry_account FOREIGN KEY (account_name) REFERENCES probe.account (name)
        DEFERRABLE INITIALLY DEFERRED
);

-- Every service with mutations (zikao_kit.idempotency).
CREATE TABLE probe.idempotency (
    actor text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    body_sha256 bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, request_id)
);
COMMENT ON TABLE probe.idempotency IS
    'Answers by request id: the same id with the same body is answered again';
CREATE INDEX idempotency_by_age ON probe.idempotency (created_at);

-- A service with a feed (zikao_kit.feed).
CREATE TABLE probe.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    traceparent text,
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE probe.outbox IS 'The feed: the state of a key after each change';
COMMENT ON COLUMN probe.outbox.traceparent IS
    'Of what caused the event, where that is traced (W3C Trace Context); names nobody';
CREATE INDEX outbox_by_key ON probe.outbox (event_key, position);

-- A service that verifies access tokens issued elsewhere (zikao_kit.token_keys).
CREATE TABLE probe.trusted_key (
    key_id text PRIMARY KEY,
    public_key bytea NOT NULL
);
COMMENT ON TABLE probe.trusted_key IS
    'Keys of access tokens as known last: a restart works while their issuer is away';

-- A service that follows a feed (zikao_kit.feed_consumer).
CREATE TABLE probe.feed_cursor (
    source text PRIMARY KEY,
    cursor text NOT NULL,
    as_of timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE probe.feed_cursor IS
    'How far the feeds of others have been applied: all that was committed there before as_of;
    updated_at shows that somebody is at it';
