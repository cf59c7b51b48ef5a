-- A refund that the platform has made has been made, also if it has not told us otherwise. What an
-- office says of it in a file is asked of the platform all the same.
-- name: list_stated_refunds
SELECT refund.refund_id, line.moved_at
FROM enrollment.statement_line AS line
JOIN enrollment.refund
    ON refund.payment_id = line.payment_id AND refund.refund_id::text = line.subject_id
WHERE line.statement_date = $1
    AND line.import_id = $2
    AND line.line > $3
    AND line.line <= $4
    AND line.money = 'refund'
    AND refund.amount_fen = line.amount_fen
    AND refund.refunded_at IS NULL
    AND EXISTS (
        SELECT FROM enrollment.statement
        WHERE statement.statement_date = line.statement_date AND statement.source = 'platform'
    );

-- Lines behind $3 up to $4 against our money. What was resolved opens again when it differs in
-- another way, or names another order.
-- name: compare_lines
WITH judged AS MATERIALIZED (
    SELECT line.money, line.subject_id, line.payment_id, line.order_id, line.amount_fen, line.moved_at,
        here.amount_fen AS here_fen, here.order_id AS here_order_id,
        CASE
            WHEN here.amount_fen IS NULL THEN 'missing_here'
            WHEN here.amount_fen <> line.amount_fen THEN 'amount_differs'
            WHEN here.order_id <> line.order_id THEN 'order_differs'
        END AS kind
    FROM enrollment.statement_line AS line
    LEFT JOIN enrollment.payment ON payment.payment_id = line.payment_id
    LEFT JOIN enrollment.refund
        ON line.money = 'refund'
        AND refund.payment_id = line.payment_id
        AND refund.refund_id::text = line.subject_id
    CROSS JOIN LATERAL (
        SELECT payment.payment_order_id AS order_id,
            CASE line.money WHEN 'payment' THEN payment.amount_fen ELSE refund.amount_fen END
                AS amount_fen
    ) AS here
    WHERE line.statement_date = $1
        AND line.import_id = $2
        AND line.line > $3
        AND line.line <= $4
), found AS (
    INSERT INTO enrollment.difference
        (statement_date, money, subject_id, payment_id, order_id, session_code, county_code, kind,
        here_fen, there_fen, moved_at, found_at)
    SELECT $1, judged.money, judged.subject_id, judged.payment_id, judged.order_id,
        coalesce(paid_order.session_code, ''), coalesce(paid_order.county_code, ''), judged.kind,
        judged.here_fen, judged.amount_fen, judged.moved_at, $5
    FROM judged
    LEFT JOIN enrollment.paid_order
        ON paid_order.platform_order_id = coalesce(judged.here_order_id, judged.order_id)
    WHERE judged.kind IS NOT NULL
    ON CONFLICT (subject_id, money) DO UPDATE SET
        statement_date = excluded.statement_date, order_id = excluded.order_id,
        session_code = excluded.session_code, county_code = excluded.county_code,
        kind = excluded.kind, here_fen = excluded.here_fen, there_fen = excluded.there_fen,
        moved_at = excluded.moved_at, found_at = excluded.found_at, state = 'open',
        resolution = NULL, reason = '', decided_by = NULL, decided_at = NULL, confirmed_by = NULL,
        confirmed_at = NULL, next_attempt_at = clock_timestamp(), attempts = 0
    WHERE (difference.kind, difference.here_fen, difference.there_fen, difference.order_id)
        IS DISTINCT FROM (excluded.kind, excluded.here_fen, excluded.there_fen, excluded.order_id)
)
SELECT
    count(*) FILTER (WHERE money = 'payment') AS payments,
    coalesce(sum(amount_fen) FILTER (WHERE money = 'payment'), 0)::bigint AS payments_fen,
    count(*) FILTER (WHERE money = 'refund') AS refunds,
    coalesce(sum(amount_fen) FILTER (WHERE money = 'refund'), 0)::bigint AS refunds_fen
FROM judged
WHERE kind IS NULL;

-- Our payments from $1 to $2 that no statement has, also those of which we heard only then; each
-- of the day that it has in time zone $3. What was resolved opens again when a statement had it
-- that has given way: when it differed in another way, or was resolved by $5, the service itself.
-- name: find_missing_payments
INSERT INTO enrollment.difference
    (statement_date, money, subject_id, payment_id, order_id, session_code, county_code, kind,
    here_fen, moved_at, found_at)
SELECT (payment.paid_at AT TIME ZONE $3)::date, 'payment', payment.payment_id, payment.payment_id,
    payment.payment_order_id, coalesce(paid_order.session_code, ''), coalesce(paid_order.county_code, ''),
    'missing_there', payment.amount_fen, payment.paid_at, $4
FROM enrollment.payment
LEFT JOIN enrollment.paid_order ON paid_order.platform_order_id = payment.payment_order_id
WHERE (
        (payment.paid_at >= $1 AND payment.paid_at < $2)
        OR (payment.received_at >= $1 AND payment.received_at < $2 AND payment.paid_at < $1)
    )
    AND NOT EXISTS (
        SELECT FROM enrollment.stated_money AS line
        WHERE line.subject_id = payment.payment_id AND line.money = 'payment'
    )
ON CONFLICT (subject_id, money) DO UPDATE SET
    statement_date = excluded.statement_date, order_id = excluded.order_id,
    session_code = excluded.session_code, county_code = excluded.county_code,
    kind = excluded.kind, here_fen = excluded.here_fen, there_fen = NULL,
    moved_at = excluded.moved_at, found_at = excluded.found_at, state = 'open',
    resolution = NULL, reason = '', decided_by = NULL, decided_at = NULL, confirmed_by = NULL,
    confirmed_at = NULL, next_attempt_at = clock_timestamp(), attempts = 0
WHERE (difference.kind, difference.here_fen) IS DISTINCT FROM (excluded.kind, excluded.here_fen)
    OR difference.decided_by = $5;

-- The same of refunds that went back from $1 to $2.
-- name: find_missing_refunds
INSERT INTO enrollment.difference
    (statement_date, money, subject_id, payment_id, order_id, session_code, county_code, kind,
    here_fen, moved_at, found_at)
SELECT (refund.refunded_at AT TIME ZONE $3)::date, 'refund', refund.refund_id::text,
    payment.payment_id, payment.payment_order_id, coalesce(paid_order.session_code, ''),
    coalesce(paid_order.county_code, ''), 'missing_there', refund.amount_fen, refund.refunded_at, $4
FROM enrollment.refund
JOIN enrollment.payment ON payment.payment_id = refund.payment_id
LEFT JOIN enrollment.paid_order ON paid_order.platform_order_id = payment.payment_order_id
WHERE refund.refunded_at >= $1
    AND refund.refunded_at < $2
    AND NOT EXISTS (
        SELECT FROM enrollment.stated_money AS line
        WHERE line.subject_id = refund.refund_id::text AND line.money = 'refund'
    )
ON CONFLICT (subject_id, money) DO UPDATE SET
    statement_date = excluded.statement_date, order_id = excluded.order_id,
    session_code = excluded.session_code, county_code = excluded.county_code,
    kind = excluded.kind, here_fen = excluded.here_fen, there_fen = NULL,
    moved_at = excluded.moved_at, found_at = excluded.found_at, state = 'open',
    resolution = NULL, reason = '', decided_by = NULL, decided_at = NULL, confirmed_by = NULL,
    confirmed_at = NULL, next_attempt_at = clock_timestamp(), attempts = 0
WHERE (difference.kind, difference.here_fen) IS DISTINCT FROM (excluded.kind, excluded.here_fen)
    OR difference.decided_by = $5;

-- What each county took and gave back on day $1, which lasts from $2 to $3: all of its statement,
-- and what we have of the day that no statement has. Of the counties that begin with $4; with $5
-- also what belongs to none.
-- name: sum_day
WITH moved AS (
    SELECT line.money, line.amount_fen AS there_fen, payment.amount_fen AS here_fen,
        payment.disposition, refund.refunded_at,
        coalesce(payment.payment_order_id, line.order_id) AS order_id
    FROM enrollment.stated_money AS line
    LEFT JOIN enrollment.payment
        ON line.money = 'payment' AND payment.payment_id = line.subject_id
    LEFT JOIN enrollment.refund ON refund.payment_id = payment.payment_id
    WHERE line.statement_date = $1
    UNION ALL
    SELECT 'payment', NULL, payment.amount_fen, payment.disposition, refund.refunded_at,
        payment.payment_order_id
    FROM enrollment.payment
    LEFT JOIN enrollment.refund ON refund.payment_id = payment.payment_id
    WHERE payment.paid_at >= $2
        AND payment.paid_at < $3
        AND NOT EXISTS (
            SELECT FROM enrollment.stated_money AS line
            WHERE line.subject_id = payment.payment_id AND line.money = 'payment'
        )
), summed AS (
    SELECT coalesce(paid_order.county_code, '') AS county_code,
        count(here_fen) AS payments,
        sum(here_fen) AS received_fen,
        sum(here_fen) FILTER (WHERE disposition = 'applied') AS applied_fen,
        sum(here_fen) FILTER (WHERE disposition = 'refund' AND refunded_at IS NOT NULL)
            AS refunded_fen,
        sum(here_fen) FILTER (WHERE disposition = 'refund' AND refunded_at IS NULL)
            AS refund_pending_fen,
        count(there_fen) FILTER (WHERE money = 'payment') AS there_payments,
        sum(there_fen) FILTER (WHERE money = 'payment') AS there_fen,
        count(there_fen) FILTER (WHERE money = 'refund') AS there_refunds,
        sum(there_fen) FILTER (WHERE money = 'refund') AS there_refunds_fen
    FROM moved
    LEFT JOIN enrollment.paid_order ON paid_order.platform_order_id = moved.order_id
    GROUP BY 1
), differing AS (
    SELECT county_code, count(*) FILTER (WHERE state <> 'resolved') AS open_differences
    FROM enrollment.difference
    WHERE statement_date = $1
    GROUP BY county_code
)
SELECT county_code,
    coalesce(payments, 0)::integer AS payments,
    coalesce(received_fen, 0)::bigint AS received_fen,
    coalesce(applied_fen, 0)::bigint AS applied_fen,
    coalesce(refunded_fen, 0)::bigint AS refunded_fen,
    coalesce(refund_pending_fen, 0)::bigint AS refund_pending_fen,
    coalesce(there_payments, 0)::integer AS there_payments,
    coalesce(there_fen, 0)::bigint AS there_fen,
    coalesce(there_refunds, 0)::integer AS there_refunds,
    coalesce(there_refunds_fen, 0)::bigint AS there_refunds_fen,
    coalesce(open_differences, 0)::integer AS open_differences
FROM summed
FULL JOIN differing USING (county_code)
WHERE (county_code <> '' AND starts_with(county_code, $4)) OR (county_code = '' AND $5)
ORDER BY county_code;

-- Lines of a day behind line $2 up to $3 with our money beside them, of an area as in sum_day.
-- name: list_compared_lines
SELECT line.money, line.subject_id, line.payment_id, line.order_id, line.payment_code,
    payment.payment_order_id AS here_order_id, line.moved_at, line.amount_fen AS there_fen,
    CASE line.money WHEN 'payment' THEN payment.amount_fen ELSE refund.amount_fen END AS here_fen,
    coalesce(paid_order.county_code, '') AS county_code
FROM enrollment.stated_money AS line
LEFT JOIN enrollment.payment ON payment.payment_id = line.payment_id
LEFT JOIN enrollment.refund
    ON line.money = 'refund'
    AND refund.payment_id = line.payment_id
    AND refund.refund_id::text = line.subject_id
LEFT JOIN enrollment.paid_order
    ON paid_order.platform_order_id = coalesce(payment.payment_order_id, line.order_id)
WHERE line.statement_date = $1
    AND line.line > $2
    AND line.line <= $3
    AND (
        starts_with(coalesce(paid_order.county_code, ''), $4)
        OR (paid_order.county_code IS NULL AND $5)
    )
ORDER BY line.line;

-- Our money from $1 to $2 that no statement has, behind ($5, $6), of an area as in sum_day.
-- name: list_unlisted
SELECT unlisted.money, unlisted.subject_id, unlisted.payment_id, unlisted.order_id,
    '' AS payment_code, unlisted.order_id AS here_order_id, unlisted.moved_at, NULL::bigint AS there_fen, unlisted.here_fen,
    coalesce(paid_order.county_code, '') AS county_code
FROM (
    SELECT 'payment' AS money, payment_id AS subject_id, payment_id, payment_order_id AS order_id,
        paid_at AS moved_at, amount_fen AS here_fen
    FROM enrollment.payment
    WHERE paid_at >= $1 AND paid_at < $2
    UNION ALL
    SELECT 'refund', refund.refund_id::text, payment.payment_id, payment.payment_order_id,
        refund.refunded_at, refund.amount_fen
    FROM enrollment.refund
    JOIN enrollment.payment ON payment.payment_id = refund.payment_id
    WHERE refund.refunded_at >= $1 AND refund.refunded_at < $2
) AS unlisted
LEFT JOIN enrollment.paid_order ON paid_order.platform_order_id = unlisted.order_id
WHERE NOT EXISTS (
        SELECT FROM enrollment.stated_money AS line
        WHERE line.subject_id = unlisted.subject_id AND line.money = unlisted.money
    )
    AND (
        starts_with(coalesce(paid_order.county_code, ''), $3)
        OR (paid_order.county_code IS NULL AND $4)
    )
    AND ($5::timestamptz IS NULL OR (unlisted.moved_at, unlisted.subject_id) > ($5, $6::text))
ORDER BY unlisted.moved_at, unlisted.subject_id
LIMIT $7;
