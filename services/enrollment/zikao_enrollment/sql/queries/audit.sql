-- What must hold at every moment. Each query returns the places where it does not: one text of
-- ids a place, nothing personal. It states its rule from the tables alone and shares no code with
-- what keeps it. `zikao audit` asks the same.

-- More seats in use than there are.
-- name: enrollment_no_seat_is_sold_twice
SELECT concat_ws(' ', session_code, county_code, slot) AS offender
FROM enrollment.seat_ledger
WHERE held < 0 OR confirmed < 0 OR held + confirmed > capacity;

-- A ledger row that does not say how many people sit there: a seat is lost, or given twice.
-- name: enrollment_no_seat_is_lost
SELECT concat_ws(' ', session_code, county_code, slot) AS offender
FROM enrollment.seat_ledger AS ledger
FULL JOIN (
    SELECT session_code, county_code, slot,
        count(*) FILTER (WHERE state = 'confirmed') AS confirmed,
        count(*) FILTER (WHERE state <> 'confirmed') AS held
    FROM enrollment.sitting
    GROUP BY session_code, county_code, slot
) AS seated USING (session_code, county_code, slot)
WHERE ledger.confirmed IS DISTINCT FROM coalesce(seated.confirmed, 0)
    OR ledger.held IS DISTINCT FROM coalesce(seated.held, 0);

-- Somebody whose orders in force have other slots than they are said to have, or one of them twice.
-- name: enrollment_orders_have_their_seats
SELECT concat_ws(' ', session_code, candidate_id) AS offender
FROM (
    SELECT session_code, candidate_id, bit_or(1::bigint << (slot - 1)) AS slot_set,
        count(*) AS sittings
    FROM enrollment.sitting
    GROUP BY session_code, candidate_id
) AS ordered
FULL JOIN enrollment.enrollment AS bound USING (session_code, candidate_id)
WHERE (ordered.slot_set, ordered.sittings) IS DISTINCT FROM (bound.slot_set, bound.sittings);

-- Somebody who sits in two counties, or twice in a slot.
-- name: enrollment_nobody_is_in_two_places
SELECT concat_ws(' ', session_code, candidate_id) AS offender
FROM enrollment.sitting
GROUP BY session_code, candidate_id
HAVING count(DISTINCT county_code) > 1 OR count(DISTINCT slot) < count(*);

-- Somebody who is bound to a county without sitting there, or sits where nothing binds them.
-- name: enrollment_counties_are_of_those_who_sit_there
SELECT concat_ws(' ', session_code, candidate_id) AS offender
FROM enrollment.enrollment AS bound
FULL JOIN (
    SELECT DISTINCT session_code, candidate_id, county_code FROM enrollment.sitting
) AS seated USING (session_code, candidate_id, county_code)
WHERE bound.county_code IS NULL OR seated.county_code IS NULL;

-- An order of no session, or whose fee is not that of its courses: the same for each, and the
-- session's for orders made since that was applied (a minute later: one being decided meanwhile
-- has the fee before).
-- name: enrollment_orders_cost_what_their_courses_do
SELECT enrollment_order.order_id::text AS offender
FROM enrollment.enrollment_order
LEFT JOIN enrollment.session USING (session_code)
WHERE session.version IS NULL
    OR enrollment_order.fee_fen % cardinality(enrollment_order.course_codes) <> 0
    OR (
        enrollment_order.created_at > session.applied_at + interval '1 minute'
        AND enrollment_order.fee_fen
            <> cardinality(enrollment_order.course_codes) * (session.body ->> 'feeFen')::bigint
    );

-- An order whose state no recorded move leads to.
-- name: enrollment_every_state_has_its_history
SELECT enrollment_order.order_id::text AS offender
FROM enrollment.enrollment_order
LEFT JOIN (
    SELECT order_id, max(event_id) AS event_id FROM enrollment.order_event GROUP BY order_id
) AS last USING (order_id)
LEFT JOIN enrollment.order_event AS last_move
    ON last_move.order_id = last.order_id AND last_move.event_id = last.event_id
WHERE last_move.to_state IS DISTINCT FROM enrollment_order.state;

-- A refund whose state no recorded move leads to, or a history of none, or one of which a line does
-- not begin where the one before ended.
-- name: money_every_refund_has_its_history
SELECT refund_id::text AS offender
FROM enrollment.refund
FULL JOIN (
    SELECT DISTINCT ON (refund_id) refund_id, to_state
    FROM enrollment.refund_event
    ORDER BY refund_id, event_id DESC
) AS last_move USING (refund_id)
WHERE refund.state IS DISTINCT FROM last_move.to_state
UNION
SELECT refund_id::text
FROM (
    SELECT refund_id, from_state,
        lag(to_state) OVER (PARTITION BY refund_id ORDER BY event_id) AS stood_at
    FROM enrollment.refund_event
) AS move
WHERE from_state IS DISTINCT FROM stood_at;

-- A hold that has ended at $1 and still keeps seats.
-- name: enrollment_no_hold_outlives_its_deadline
SELECT order_id::text AS offender
FROM enrollment.enrollment_order
WHERE state IN ('held', 'paying', 'closing') AND held_until <= $1;

-- Somebody of whom the feed's last word is not what they have confirmed. Its payload is an
-- EnrollmentEvent; what follows the county's six digits are its courses by slot, each so many
-- bytes: 2a 09, 0a 05 and the code, 10 and the slot.
-- name: enrollment_the_feed_says_what_is_confirmed
SELECT event_key AS offender
FROM (
    SELECT DISTINCT ON (event_key) event_key, payload
    FROM enrollment.outbox
    ORDER BY event_key, position DESC
) AS told
FULL JOIN (
    SELECT concat(session_code, ':', candidate_id) AS event_key,
        '\x2206'::bytea || convert_to(min(county_code), 'UTF8') || string_agg(
            '\x2a090a05'::bytea || convert_to(course_code, 'UTF8')
            || '\x10'::bytea || set_byte('\x00', 0, slot), ''::bytea ORDER BY slot
        ) AS words
    FROM enrollment.sitting
    WHERE state = 'confirmed'
    GROUP BY session_code, candidate_id
) AS confirmed USING (event_key)
WHERE told.payload IS NULL
    OR CASE
        WHEN confirmed.words IS NULL THEN position('\x2a090a05'::bytea IN told.payload) > 0
        ELSE substring(
            told.payload FROM octet_length(told.payload) - octet_length(confirmed.words) + 1
        ) <> confirmed.words
    END;

-- A payment that is neither the fee of a confirmed order nor a refund, or both.
-- name: money_every_payment_is_an_enrollment_or_a_refund
SELECT payment.payment_id AS offender
FROM enrollment.payment
LEFT JOIN enrollment.enrollment_order USING (order_id)
LEFT JOIN enrollment.refund USING (payment_id)
WHERE CASE payment.disposition
    WHEN 'applied' THEN
        enrollment_order.state IS DISTINCT FROM 'confirmed'
        OR payment.amount_fen <> enrollment_order.fee_fen
        OR refund.refund_id IS NOT NULL
    ELSE refund.amount_fen IS DISTINCT FROM payment.amount_fen
END;

-- A confirmed order that nobody has paid, or that was paid twice.
-- name: money_every_enrollment_is_paid
SELECT enrollment_order.order_id::text AS offender
FROM enrollment.enrollment_order
LEFT JOIN (
    SELECT order_id, count(*) AS payments
    FROM enrollment.payment
    WHERE disposition = 'applied'
    GROUP BY order_id
) AS paid USING (order_id)
WHERE enrollment_order.state = 'confirmed' AND paid.payments IS DISTINCT FROM 1;

-- A payment that is not of the order for which the platform was asked to take it; or an order for
-- which it takes another amount than the fee.
-- name: money_is_asked_and_taken_for_the_order
SELECT payment.payment_id AS offender
FROM enrollment.payment
LEFT JOIN enrollment.payment_order USING (payment_order_id)
WHERE payment.order_id IS DISTINCT FROM payment_order.order_id
UNION ALL
SELECT payment_order.payment_order_id::text
FROM enrollment.payment_order
JOIN enrollment.enrollment_order USING (order_id)
WHERE payment_order.state = 'open'
    AND enrollment_order.state IN ('held', 'paying', 'closing')
    AND payment_order.amount_fen <> enrollment_order.fee_fen;

-- Received less confirmed fees less refunds, in fen: must be 0.
-- name: money_adds_up_to_the_fen
SELECT concat(books.difference, ' fen') AS offender
FROM (
    SELECT coalesce((SELECT sum(amount_fen) FROM enrollment.payment), 0)
        - coalesce((
            SELECT sum(fee_fen) FROM enrollment.enrollment_order WHERE state = 'confirmed'
        ), 0)
        - coalesce((SELECT sum(amount_fen) FROM enrollment.refund), 0) AS difference
) AS books
WHERE books.difference <> 0;

-- Money that was owed already at $1 and has not gone back.
-- name: money_no_refund_outlives_its_deadline
SELECT refund_id::text AS offender
FROM enrollment.refund
WHERE refunded_at IS NULL AND requested_at <= $1;

-- A statement that counts and is not what it states: its lines, their sums, or the place of its last.
-- name: money_statements_add_up
SELECT statement.statement_date::text AS offender
FROM enrollment.statement
LEFT JOIN (
    SELECT statement_date, import_id, max(line) AS last_line,
        count(*) FILTER (WHERE money = 'payment') AS payments,
        coalesce(sum(amount_fen) FILTER (WHERE money = 'payment'), 0) AS payments_fen,
        count(*) FILTER (WHERE money = 'refund') AS refunds,
        coalesce(sum(amount_fen) FILTER (WHERE money = 'refund'), 0) AS refunds_fen
    FROM enrollment.statement_line
    GROUP BY statement_date, import_id
) AS lines USING (statement_date, import_id)
WHERE statement.state IN ('comparing', 'compared')
    AND (
        coalesce(lines.last_line, 0), coalesce(lines.payments, 0), coalesce(lines.payments_fen, 0),
        coalesce(lines.refunds, 0), coalesce(lines.refunds_fen, 0)
    ) IS DISTINCT FROM (
        statement.last_line, statement.stated_payments, statement.stated_payments_fen,
        statement.stated_refunds, statement.stated_refunds_fen
    );

-- A payment that a statement had and we had not, already at $1: nobody has cleared it up; or
-- somebody has, and the platform's own statement has it still, and we have not.
-- name: money_no_missing_payment_outlives_its_deadline
SELECT difference.payment_id AS offender
FROM enrollment.difference
LEFT JOIN enrollment.payment USING (payment_id)
WHERE difference.money = 'payment'
    AND difference.kind = 'missing_here'
    AND difference.found_at <= $1
    AND (
        difference.state <> 'resolved'
        OR (
            payment.payment_id IS NULL
            AND EXISTS (
                SELECT FROM enrollment.stated_money AS line
                JOIN enrollment.statement USING (statement_date)
                WHERE line.subject_id = difference.subject_id
                    AND line.money = difference.money
                    AND statement.source = 'platform'
            )
        )
    );

-- Who checks, one at a time; and without taking the other processors, which are for callers.
-- name: begin_check
SELECT pg_try_advisory_xact_lock(hashtext('enrollment.invariant_check'))
    AND set_config('max_parallel_workers_per_gather', '0', true) IS NOT NULL
    AND set_config('work_mem', '64MB', true) IS NOT NULL;

-- Of $1 one that was last checked more than $2 ago; and not before the last check, whichever it
-- was, is $3 times as long ago as it took. At random: one whose check fails keeps no other from it.
-- name: next_check
SELECT wanted.invariant
FROM unnest($1::text[]) AS wanted (invariant)
LEFT JOIN enrollment.invariant_check AS last USING (invariant)
WHERE coalesce(last.checked_at <= clock_timestamp() - $2::interval, true)
    AND NOT EXISTS (
        SELECT FROM enrollment.invariant_check
        WHERE checked_at > clock_timestamp() - took * $3::integer
    )
ORDER BY random()
LIMIT 1;

-- name: save_check
INSERT INTO enrollment.invariant_check (invariant, violations, offenders, took, checked_at)
VALUES ($1, $2, $3, $4, clock_timestamp())
ON CONFLICT (invariant) DO UPDATE SET
    violations = excluded.violations, offenders = excluded.offenders,
    took = excluded.took, checked_at = excluded.checked_at;

-- name: list_checks
SELECT invariant, violations,
    extract(epoch FROM clock_timestamp() - checked_at)::double precision AS age_seconds
FROM enrollment.invariant_check
WHERE invariant = ANY ($1::text[]);

-- A candidate with two places in a room.
-- name: waiting_every_candidate_has_one_place
SELECT concat_ws(' ', session_code, track, candidate_id) AS offender
FROM enrollment.waiting_place
GROUP BY session_code, track, candidate_id
HAVING count(*) > 1;

-- A room whose numbers are not one after the other: somebody was drawn who was not there, or
-- there who was not drawn; a late number was given twice, or is not counted.
-- name: waiting_numbers_are_dense
SELECT concat_ws(' ', session_code, track) AS offender
FROM enrollment.waiting_room AS room
LEFT JOIN (
    SELECT session_code, track, count(*) FILTER (WHERE drawn) AS drawn, sum(late_turns) AS turns,
        count(late_number) AS late, count(DISTINCT late_number) AS numbers,
        max(late_number) AS highest
    FROM enrollment.waiting_place
    GROUP BY session_code, track
) AS place USING (session_code, track)
WHERE room.drawn_count <> coalesce(place.drawn, 0)
    OR room.late_count <> coalesce(place.turns, 0)
    OR place.late <> place.numbers
    OR place.highest > room.late_count;

-- A number that was admitted twice, or passed over: what was admitted lies end to end, from the
-- first number to where the room stands, which is not beyond the last one.
-- name: waiting_nobody_is_admitted_twice
SELECT concat_ws(' ', session_code, track, admitted_until) AS offender
FROM (
    SELECT session_code, track, admitted_from, admitted_until,
        lag(admitted_until, 1, 0) OVER (
            PARTITION BY session_code, track ORDER BY admitted_until
        ) AS before
    FROM enrollment.waiting_admission
) AS admission
WHERE admitted_from <> before
UNION ALL
SELECT concat_ws(' ', session_code, track, admitted_until) AS offender
FROM enrollment.waiting_room AS room
WHERE admitted_until > coalesce(drawn_count, 0) + late_count
    OR admitted_until <> (
        SELECT coalesce(max(admission.admitted_until), 0)
        FROM enrollment.waiting_admission AS admission
        WHERE (admission.session_code, admission.track) = (room.session_code, room.track)
    );
