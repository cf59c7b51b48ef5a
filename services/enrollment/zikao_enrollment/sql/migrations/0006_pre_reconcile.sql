-- The platform's daily statements, and how they differ from what is known here.

CREATE TABLE enrollment.statement (
    statement_date date PRIMARY KEY,
    import_id uuid NOT NULL,
    source text NOT NULL,
    source_name text NOT NULL,
    state text NOT NULL,
    problem text NOT NULL DEFAULT '',
    started_by text NOT NULL,
    started_at timestamptz NOT NULL,
    stated_payments integer,
    stated_payments_fen bigint,
    stated_refunds integer,
    stated_refunds_fen bigint,
    last_line integer NOT NULL DEFAULT 0,
    payments integer NOT NULL DEFAULT 0,
    payments_fen bigint NOT NULL DEFAULT 0,
    refunds integer NOT NULL DEFAULT 0,
    refunds_fen bigint NOT NULL DEFAULT 0,
    compared_line integer NOT NULL DEFAULT 0,
    compared_until timestamptz,
    matched_payments integer NOT NULL DEFAULT 0,
    matched_payments_fen bigint NOT NULL DEFAULT 0,
    matched_refunds integer NOT NULL DEFAULT 0,
    matched_refunds_fen bigint NOT NULL DEFAULT 0,
    compared_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT statement_source CHECK (source IN ('platform', 'file')),
    CONSTRAINT statement_state CHECK (state IN ('receiving', 'comparing', 'compared', 'refused')),
    CONSTRAINT statement_adds_up CHECK (
        state NOT IN ('comparing', 'compared')
        OR (payments, payments_fen, refunds, refunds_fen)
            IS NOT DISTINCT FROM
            (stated_payments, stated_payments_fen, stated_refunds, stated_refunds_fen)
    ),
    CONSTRAINT statement_compared CHECK ((state = 'compared') = (compared_at IS NOT NULL)),
    CONSTRAINT statement_refused CHECK ((state = 'refused') = (problem <> ''))
);
COMMENT ON TABLE enrollment.statement IS
    'The statement of a day of the payment platform: what it states, what its lines add up to, how
    far they have been compared (lines, then our own money up to a time), and what was matched.
    next_attempt_at: when the platform is asked for it again, by the database''s clock';

CREATE TABLE enrollment.statement_line (
    statement_date date NOT NULL REFERENCES enrollment.statement (statement_date),
    import_id uuid NOT NULL,
    line integer NOT NULL,
    money text NOT NULL,
    subject_id text NOT NULL,
    payment_id text NOT NULL,
    order_id uuid NOT NULL,
    amount_fen bigint NOT NULL,
    moved_at timestamptz NOT NULL,
    payment_code text NOT NULL,
    PRIMARY KEY (statement_date, import_id, line),
    CONSTRAINT statement_line_once UNIQUE (subject_id, money),
    CONSTRAINT statement_line_money CHECK (money IN ('payment', 'refund')),
    CONSTRAINT statement_line_subject CHECK (money = 'refund' OR subject_id = payment_id),
    CONSTRAINT statement_line_amount CHECK (amount_fen > 0)
);
COMMENT ON TABLE enrollment.statement_line IS
    'A payment or refund in a statement; subject_id is its id at the platform. Each is in one
    statement. Lines of another import than the statement''s are on their way out';

CREATE TABLE enrollment.difference (
    difference_id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    statement_date date NOT NULL,
    money text NOT NULL,
    subject_id text NOT NULL,
    payment_id text NOT NULL,
    order_id uuid NOT NULL,
    session_code text NOT NULL,
    county_code text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    here_fen bigint,
    there_fen bigint,
    moved_at timestamptz NOT NULL,
    found_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'open',
    resolution text,
    reason text NOT NULL DEFAULT '',
    decided_by text,
    decided_at timestamptz,
    confirmed_by text,
    confirmed_at timestamptz,
    next_attempt_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts integer NOT NULL DEFAULT 0,
    CONSTRAINT difference_once UNIQUE (subject_id, money),
    CONSTRAINT difference_money CHECK (money IN ('payment', 'refund')),
    CONSTRAINT difference_kind CHECK (CASE kind
        WHEN 'missing_here' THEN here_fen IS NULL AND there_fen IS NOT NULL
        WHEN 'missing_there' THEN here_fen IS NOT NULL AND there_fen IS NULL
        WHEN 'amount_differs' THEN coalesce(here_fen <> there_fen, false)
        WHEN 'order_differs' THEN coalesce(here_fen = there_fen, false)
        ELSE false
    END),
    CONSTRAINT difference_state CHECK (state IN ('open', 'in_review', 'resolved')),
    CONSTRAINT difference_resolution
        CHECK (resolution IN ('settled', 'refunded', 'written_off', 'explained')),
    CONSTRAINT difference_decided CHECK (
        (state = 'open') = (resolution IS NULL)
        AND (state = 'open') = (decided_by IS NULL)
        AND (state = 'open') = (decided_at IS NULL)
    ),
    CONSTRAINT difference_two_officers CHECK (
        (confirmed_by IS NULL) = (confirmed_at IS NULL)
        AND (confirmed_by IS NULL OR (state = 'resolved' AND confirmed_by <> decided_by))
    )
);
COMMENT ON TABLE enrollment.difference IS
    'Money that is not the same here and at the platform, of the day that it belongs to; without a
    county when its order is not known. next_attempt_at: when a payment that is missing here is
    settled again, by the database''s clock';
CREATE INDEX difference_by_day ON enrollment.difference (statement_date DESC, difference_id);
CREATE INDEX difference_unsettled ON enrollment.difference (next_attempt_at)
    WHERE state = 'open';

-- Payments come nearly in the order of their times: these cost next to nothing.
CREATE INDEX payment_by_time ON enrollment.payment USING brin (paid_at) WITH (pages_per_range = 16);
CREATE INDEX payment_by_receipt ON enrollment.payment
    USING brin (received_at) WITH (pages_per_range = 16);

CREATE VIEW enrollment.paid_order AS
SELECT payment_order_id AS platform_order_id, order_id, session_code, county_code
FROM enrollment.payment_order
JOIN enrollment.enrollment_order USING (order_id);
COMMENT ON VIEW enrollment.paid_order IS
    'The order that an order of the payment platform pays, and whose money it is';
