-- The kit's tables, for a service's first migration: those it needs, in its own schema.

-- Every service with mutations (zikao_kit.idempotency).
CREATE TABLE {schema}.idempotency (
    actor text NOT NULL,
    request_id uuid NOT NULL,
    method text NOT NULL,
    body_sha256 bytea NOT NULL,
    response bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor, request_id)
);
COMMENT ON TABLE {schema}.idempotency IS
    'Answers by request id: the same id with the same body is answered again';
CREATE INDEX idempotency_by_age ON {schema}.idempotency (created_at);

-- A service with a feed (zikao_kit.feed).
CREATE TABLE {schema}.outbox (
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    position bigint GENERATED ALWAYS AS IDENTITY,
    event_key text NOT NULL,
    payload bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (xid, position)
);
COMMENT ON TABLE {schema}.outbox IS 'The feed: the state of a key after each change';
CREATE INDEX outbox_by_key ON {schema}.outbox (event_key, position);

-- A service that verifies access tokens issued elsewhere (zikao_kit.token_keys).
CREATE TABLE {schema}.trusted_key (
    key_id text PRIMARY KEY,
    public_key bytea NOT NULL
);
COMMENT ON TABLE {schema}.trusted_key IS
    'Keys of access tokens as known last: a restart works while their issuer is away';

-- A service that follows a feed (zikao_kit.feed_consumer).
CREATE TABLE {schema}.feed_cursor (
    source text PRIMARY KEY,
    cursor text NOT NULL,
    as_of timestamptz,
    updated_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE {schema}.feed_cursor IS
    'How far the feeds of others have been applied: all that was committed there before as_of;
    updated_at shows that somebody is at it';
