-- Within a locked order. Asked about for the first time after $5, by the database's clock.
-- name: open_payment_order
INSERT INTO enrollment.payment_order
    (payment_order_id, order_id, amount_fen, state, opened_at, next_query_at)
VALUES ($1, $2, $3, 'open', $4, clock_timestamp() + $5::interval);

-- name: list_open_payment_orders
SELECT payment_order_id, order_id, amount_fen, payment_code
FROM enrollment.payment_order
WHERE state = 'open' AND order_id = ANY ($1::uuid[]);

-- Of a candidate $2 in session $1, whatever became of them.
-- name: count_payment_orders
SELECT count(*) AS attempts
FROM enrollment.payment_order
JOIN enrollment.enrollment_order USING (order_id)
WHERE enrollment_order.session_code = $1 AND enrollment_order.candidate_id = $2;

-- name: list_orders_to_pay
SELECT payment_order_id, order_id
FROM enrollment.payment_order
WHERE payment_order_id = ANY ($1::uuid[]);

-- name: save_payment_code
UPDATE enrollment.payment_order
SET payment_code = $2
WHERE payment_order_id = $1 AND state = 'open';

-- name: hasten_payment_query
UPDATE enrollment.payment_order
SET next_query_at = least(next_query_at, clock_timestamp() + $2::interval)
WHERE payment_order_id = $1;

-- Of orders that are paid: a newer attempt of one is open, and has to be closed at the platform.
-- name: ask_now_about_payment_orders_of
UPDATE enrollment.payment_order
SET next_query_at = clock_timestamp()
WHERE state = 'open' AND order_id = ANY ($1::uuid[]);

-- name: close_payment_orders
UPDATE enrollment.payment_order
SET state = 'closed'
WHERE state = 'open' AND payment_order_id = ANY ($1::uuid[]);

-- name: close_payment_orders_of
UPDATE enrollment.payment_order
SET state = 'closed'
WHERE state = 'open' AND order_id = ANY ($1::uuid[]);

-- Open ones first: after a rush hundreds of thousands of closed ones are due. The pauses double
-- from $1 on, by the database's clock, as of the statement's beginning: a clock that runs on within
-- it finds nothing by an index. After $2 questions one that is closed is left to the daily
-- statement, after $4 when its own payment has confirmed the order; one that is open never is.
-- name: lease_payment_queries
WITH due_open AS MATERIALIZED (
    SELECT payment_order_id
    FROM enrollment.payment_order
    WHERE state = 'open' AND next_query_at <= statement_timestamp()
    ORDER BY next_query_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
), due_closed AS MATERIALIZED (
    SELECT payment_order_id
    FROM enrollment.payment_order
    WHERE state = 'closed' AND next_query_at <= statement_timestamp()
    ORDER BY next_query_at
    LIMIT $3 - (SELECT count(*) FROM due_open)
    FOR UPDATE SKIP LOCKED
), due AS (
    SELECT payment_order_id FROM due_open UNION ALL SELECT payment_order_id FROM due_closed
)
UPDATE enrollment.payment_order AS asked
SET queries = asked.queries + 1,
    next_query_at = CASE
        WHEN asked.state = 'closed' AND (
            asked.queries + 1 >= $2
            OR (asked.queries + 1 >= $4 AND EXISTS (
                SELECT FROM enrollment.payment
                WHERE payment.order_id = asked.order_id
                    AND payment.payment_order_id = asked.payment_order_id
                    AND payment.disposition = 'applied'
            ))
        ) THEN NULL
        ELSE clock_timestamp() + $1::interval * power(2, least(asked.queries + 1, $2))
    END
FROM due, enrollment.enrollment_order
WHERE asked.payment_order_id = due.payment_order_id
    AND enrollment_order.order_id = asked.order_id
RETURNING asked.payment_order_id, asked.order_id,
    asked.state = 'open' AND enrollment_order.state IN ('confirmed', 'released') AS needless;
