-- Ways back to an account, and the identity provider's logins (DOMAIN section 3, Recovery).
CREATE TABLE registration.message (
    message_id uuid NOT NULL,
    channel text NOT NULL,
    content_enc bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CONSTRAINT message_pkey PRIMARY KEY (message_id),
    CONSTRAINT message_channel_check CHECK (channel IN ('email', 'sms'))
);
COMMENT ON TABLE registration.message IS
    'Outgoing e-mails and SMS; deleted once handed over, refused for good, or expired';
CREATE INDEX message_next_try_at_idx ON registration.message (channel, next_try_at);
CREATE INDEX message_expires_at_idx ON registration.message (expires_at);

CREATE TABLE registration.recovery_attempt (
    subject_index bytea NOT NULL,
    shard smallint NOT NULL,
    attempts integer NOT NULL,
    first_at timestamptz NOT NULL,
    CONSTRAINT recovery_attempt_pkey PRIMARY KEY (subject_index, shard)
);
COMMENT ON TABLE registration.recovery_attempt IS
    'Attempts to recover, of documents that exist or not, and of callers (in shards)';
CREATE INDEX recovery_attempt_first_at_idx ON registration.recovery_attempt (first_at);

CREATE TABLE registration.password_recovery (
    recovery_id uuid NOT NULL,
    account_id uuid,
    channel text NOT NULL,
    code_index bytea NOT NULL,
    tries integer NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL,
    CONSTRAINT password_recovery_pkey PRIMARY KEY (recovery_id),
    CONSTRAINT password_recovery_account_fkey
        FOREIGN KEY (account_id) REFERENCES registration.account (account_id),
    CONSTRAINT password_recovery_code_index_check CHECK (octet_length(code_index) = 32)
);
COMMENT ON TABLE registration.password_recovery IS
    'One-time codes that were sent; without an account: to nobody, for somebody unknown';
CREATE INDEX password_recovery_account_idx ON registration.password_recovery (account_id);
CREATE INDEX password_recovery_expires_at_idx ON registration.password_recovery (expires_at);

CREATE TABLE registration.security_question (
    account_id uuid NOT NULL,
    question_enc bytea NOT NULL,
    answer_hash text NOT NULL,
    set_at timestamptz NOT NULL,
    CONSTRAINT security_question_pkey PRIMARY KEY (account_id),
    CONSTRAINT security_question_account_fkey
        FOREIGN KEY (account_id) REFERENCES registration.account (account_id)
);
COMMENT ON TABLE registration.security_question IS
    'Which of the standard questions, encrypted, and Argon2id of the answer';

CREATE TABLE registration.provider_login (
    state_index bytea NOT NULL,
    secrets_enc bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    CONSTRAINT provider_login_pkey PRIMARY KEY (state_index)
);
COMMENT ON TABLE registration.provider_login IS
    'Logins begun at the identity provider: nonce and PKCE verifier, encrypted';
CREATE INDEX provider_login_expires_at_idx ON registration.provider_login (expires_at);
