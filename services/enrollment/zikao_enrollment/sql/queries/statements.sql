-- name: find_statement
SELECT * FROM enrollment.statement WHERE statement_date = $1;

-- name: lock_statement
SELECT * FROM enrollment.statement WHERE statement_date = $1 FOR UPDATE;

-- name: list_statements
SELECT statement.*, counted.differences, counted.open_differences
FROM enrollment.statement
CROSS JOIN LATERAL (
    SELECT count(*) AS differences, count(*) FILTER (WHERE state <> 'resolved') AS open_differences
    FROM enrollment.difference
    WHERE difference.statement_date = statement.statement_date
) AS counted
WHERE $1::date IS NULL OR statement.statement_date < $1
ORDER BY statement.statement_date DESC
LIMIT $2;

-- name: insert_statement
INSERT INTO enrollment.statement
    (statement_date, import_id, source, source_name, state, started_by, started_at,
    stated_payments, stated_payments_fen, stated_refunds, stated_refunds_fen)
VALUES ($1, $2, $3, $4, 'receiving', $5, $6, $7, $8, $9, $10)
ON CONFLICT (statement_date) DO NOTHING;

-- As new, for another import.
-- name: renew_statement
UPDATE enrollment.statement
SET import_id = $2, source = $3, source_name = $4, state = 'receiving', problem = '',
    started_by = $5, started_at = $6, stated_payments = $7, stated_payments_fen = $8,
    stated_refunds = $9, stated_refunds_fen = $10, last_line = 0, payments = 0, payments_fen = 0,
    refunds = 0, refunds_fen = 0, compared_line = 0, compared_until = NULL, matched_payments = 0,
    matched_payments_fen = 0, matched_refunds = 0, matched_refunds_fen = 0, compared_at = NULL
WHERE statement_date = $1;

-- What no statement has is no line's of it: that is resolved when the new one has it.
-- name: delete_open_differences
DELETE FROM enrollment.difference
WHERE statement_date = $1 AND state = 'open' AND kind <> 'missing_there';

-- Those that count for nothing, whatever import the caller believes to be the day's: another may
-- have begun since. A few at a time: those of a day may be a million.
-- name: delete_idle_lines
DELETE FROM enrollment.statement_line
WHERE (statement_date, import_id, line) IN (
    SELECT line.statement_date, line.import_id, line.line
    FROM enrollment.statement_line AS line
    JOIN enrollment.statement USING (statement_date)
    WHERE line.statement_date = $1
        AND (line.import_id <> statement.import_id OR statement.state = 'refused')
    LIMIT $2
);

-- Money that a statement has already.
-- name: list_known_lines
SELECT line.subject_id, line.money, line.statement_date
FROM enrollment.statement_line AS line
JOIN unnest($1::text[], $2::text[]) AS given (subject_id, money)
    ON line.subject_id = given.subject_id AND line.money = given.money;

-- name: insert_lines
INSERT INTO enrollment.statement_line
    (statement_date, import_id, line, money, subject_id, payment_id, order_id, amount_fen, moved_at,
    payment_code)
SELECT $1, $2, given.line, given.money, given.subject_id, given.payment_id, given.order_id,
    given.amount_fen, given.moved_at, given.payment_code
FROM unnest(
    $3::integer[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::bigint[],
    $9::timestamptz[], $10::text[]
) AS given
    (line, money, subject_id, payment_id, order_id, amount_fen, moved_at, payment_code)
ON CONFLICT (subject_id, money) DO NOTHING;

-- Nobody else asks the platform for $13, by the database's clock. Who brings a file does not put
-- that off.
-- name: save_received
UPDATE enrollment.statement
SET state = $2, problem = $3, last_line = $4, payments = $5, payments_fen = $6, refunds = $7,
    refunds_fen = $8, stated_payments = $9, stated_payments_fen = $10, stated_refunds = $11,
    stated_refunds_fen = $12,
    next_attempt_at = CASE source
        WHEN 'platform' THEN greatest(next_attempt_at, clock_timestamp() + $13::interval)
        ELSE next_attempt_at
    END
WHERE statement_date = $1;

-- Days without a statement, and those whose platform has not told all of it, or told what could
-- not be; the oldest first. Those that have a file, for a file counts only until the platform tells
-- its own: one that is not complete has $4 more.
-- name: list_due_days
SELECT day::date AS statement_date
FROM generate_series($1::date, $2::date, interval '1 day') AS day
LEFT JOIN enrollment.statement ON statement.statement_date = day::date
WHERE statement.statement_date IS NULL
    OR (
        (statement.source = 'file' OR statement.state IN ('receiving', 'refused'))
        AND statement.next_attempt_at <= clock_timestamp() - CASE
            WHEN statement.source = 'file' AND statement.state IN ('receiving', 'refused')
                THEN $4::interval
            ELSE interval '0'
        END
    )
ORDER BY day
LIMIT $3;

-- Of the days from $1 to $2, and of differences, no more than $3 of which are counted.
-- name: count_unreconciled
SELECT (
        SELECT count(*)
        FROM generate_series($1::date, $2::date, interval '1 day') AS day
        LEFT JOIN enrollment.statement
            ON statement.statement_date = day::date AND statement.state = 'compared'
        WHERE statement.statement_date IS NULL
    ) AS days,
    (
        SELECT count(*)
        FROM (SELECT FROM enrollment.difference WHERE state = 'open' LIMIT $3) AS open
    ) AS differences;

-- The pauses double from $2 on, up to $3; by the database's clock.
-- name: lease_statement
UPDATE enrollment.statement
SET next_attempt_at = clock_timestamp()
        + least($2::interval * power(2, least(attempts, 20)), $3::interval),
    attempts = attempts + 1
WHERE statement_date = $1
    AND (source = 'file' OR state IN ('receiving', 'refused'))
    AND next_attempt_at <= clock_timestamp() - CASE
        WHEN source = 'file' AND state IN ('receiving', 'refused') THEN $4::interval
        ELSE interval '0'
    END
RETURNING *;

-- Not waited for: whoever has one compares it.
-- name: lock_comparing
SELECT *
FROM enrollment.statement
WHERE state = 'comparing'
ORDER BY statement_date
LIMIT 1
FOR UPDATE SKIP LOCKED;

-- name: save_compared
UPDATE enrollment.statement
SET compared_line = $2, compared_until = $3, matched_payments = $4, matched_payments_fen = $5,
    matched_refunds = $6, matched_refunds_fen = $7, state = $8, compared_at = $9
WHERE statement_date = $1;
