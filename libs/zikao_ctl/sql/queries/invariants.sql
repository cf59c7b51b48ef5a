-- What must hold at every moment, each query counting where it does not. Each states its rule
-- from the tables alone and shares no code with the services. They look across the schemas:
-- only an administrator may.

-- Two people with one ticket number, or an approved one without.
-- name: registration_ticket_numbers_are_unique
SELECT count(*)
FROM (
    SELECT ticket_number
    FROM registration.candidate
    WHERE state = 'approved'
    GROUP BY ticket_number
    HAVING ticket_number IS NULL OR count(*) > 1
) AS wrong;

-- An approved candidate whose number the list of all numbers does not have as theirs, ended
-- exactly when their standing has ended it; or a number in force that is not its candidate's.
-- name: registration_numbers_are_their_candidates
SELECT count(*)
FROM (
    SELECT candidate_id, ticket_number,
        CASE WHEN standing IN ('graduated', 'transferred_out') THEN 'ended' ELSE 'current' END
            AS status
    FROM registration.candidate
    WHERE state = 'approved'
) AS approved
FULL JOIN registration.ticket_number AS listed
    ON listed.ticket_number = approved.ticket_number
    AND listed.candidate_id = approved.candidate_id
    AND listed.status = approved.status
WHERE listed.ticket_number IS NULL
    OR (approved.ticket_number IS NULL AND listed.status = 'current');

-- A serial that was given out and that no number was made of, or the reverse.
-- name: registration_serials_are_dense
SELECT count(*)
FROM (
    SELECT session_code, county_code, count(DISTINCT serial) AS numbers, min(serial) AS first_one,
        max(serial) AS last_one
    FROM registration.ticket_number
    WHERE serial IS NOT NULL
    GROUP BY session_code, county_code
) AS given
FULL JOIN registration.ticket_serial AS serial
    ON serial.session_code = given.session_code AND serial.county_code = given.county_code
WHERE given.numbers IS DISTINCT FROM serial.last_serial
    OR given.last_one IS DISTINCT FROM serial.last_serial
    OR given.first_one <> 1;

-- A second approval by the officer who gave the first, of one application with one material:
-- new material begins the review anew.
-- name: registration_two_officers_where_two_are_needed
SELECT count(*)
FROM (
    SELECT candidate_id, officer_id, decided_at, approved, needs_confirmation,
        lag(officer_id) OVER history AS officer_before,
        lag(needs_confirmation) OVER history AS needed_before,
        lag(decided_at) OVER history AS decided_before
    FROM registration.decision
    WINDOW history AS (
        PARTITION BY candidate_id, session_code, submitted_at ORDER BY decision_id
    )
) AS decided
WHERE approved AND NOT needs_confirmation AND needed_before AND officer_before = officer_id
    AND NOT EXISTS (
        SELECT FROM registration.audit
        WHERE audit.candidate_id = decided.candidate_id
            AND audit.action = 'upload_material'
            AND audit.at BETWEEN decided.decided_before AND decided.decided_at
    );

-- An application that does not know of its material, or of what is not there: it would end with
-- the material at hand, or wait for its office without.
-- name: registration_material_is_noted
SELECT count(*)
FROM registration.candidate
LEFT JOIN registration.identity_material ON identity_material.candidate_id = candidate.candidate_id
WHERE candidate.has_material <> (identity_material.candidate_id IS NOT NULL);

-- One person with two accounts.
-- name: registration_one_account_a_person
SELECT count(*)
FROM (
    SELECT document_index
    FROM registration.account
    WHERE document_index IS NOT NULL
    GROUP BY document_index
    HAVING count(*) > 1
) AS twice;

-- An approval with a number issued here that no officer has decided, or that left no trace.
-- name: registration_approvals_are_decided_and_audited
SELECT count(*)
FROM registration.candidate
JOIN registration.ticket_number ON ticket_number.ticket_number = candidate.ticket_number
WHERE candidate.state = 'approved'
    AND ticket_number.serial IS NOT NULL
    AND (
        NOT EXISTS (
            SELECT FROM registration.decision
            WHERE decision.candidate_id = candidate.candidate_id
                AND decision.approved
                AND NOT decision.needs_confirmation
        )
        OR NOT EXISTS (
            SELECT FROM registration.audit
            WHERE audit.candidate_id = candidate.candidate_id
                AND audit.action = 'decide_registration'
                AND audit.after ->> 'state' = 'approved'
        )
    );

-- An approved candidate of whom the other services were not told.
-- name: registration_approvals_are_in_the_feed
SELECT count(*)
FROM registration.candidate
WHERE candidate.state = 'approved'
    AND NOT EXISTS (
        SELECT FROM registration.outbox
        WHERE outbox.event_key = candidate.candidate_id::text
    );

-- More seats in use than there are.
-- name: enrollment_no_seat_is_sold_twice
SELECT count(*)
FROM enrollment.seat_ledger
WHERE held < 0 OR confirmed < 0 OR held + confirmed > capacity;

-- A ledger row that does not say how many people sit there: a seat is lost, or given twice.
-- name: enrollment_no_seat_is_lost
SELECT count(*)
FROM enrollment.seat_ledger AS ledger
FULL JOIN (
    SELECT sitting.session_code, sitting.county_code, sitting.slot,
        count(*) FILTER (WHERE enrollment_order.state = 'confirmed') AS confirmed,
        count(*) FILTER (WHERE enrollment_order.state IN ('held', 'paying', 'closing')) AS held,
        count(*) AS people
    FROM enrollment.sitting
    JOIN enrollment.enrollment_order USING (order_id)
    GROUP BY sitting.session_code, sitting.county_code, sitting.slot
) AS seated USING (session_code, county_code, slot)
WHERE ledger.confirmed IS DISTINCT FROM coalesce(seated.confirmed, 0)
    OR ledger.held IS DISTINCT FROM coalesce(seated.held, 0)
    OR coalesce(seated.people, 0) <> coalesce(seated.confirmed, 0) + coalesce(seated.held, 0);

-- An order that is in force without its seats, or that has seats and is not.
-- name: enrollment_orders_have_their_seats
SELECT count(*)
FROM enrollment.enrollment_order
LEFT JOIN (
    SELECT order_id, count(*) AS seats, count(DISTINCT county_code) AS counties,
        min(county_code) AS county_code
    FROM enrollment.sitting
    GROUP BY order_id
) AS seated USING (order_id)
WHERE CASE enrollment_order.state
    WHEN 'released' THEN seated.seats IS NOT NULL
    ELSE seated.seats IS DISTINCT FROM cardinality(enrollment_order.slots)
        OR seated.counties > 1
        OR seated.county_code <> enrollment_order.county_code
END;

-- Somebody who sits in two counties, or twice in a slot.
-- name: enrollment_nobody_is_in_two_places
SELECT count(*)
FROM (
    SELECT session_code, candidate_id
    FROM enrollment.sitting
    GROUP BY session_code, candidate_id
    HAVING count(DISTINCT county_code) > 1 OR count(DISTINCT slot) < count(*)
) AS torn;

-- Somebody with seats who has no approved registration in good standing.
-- name: enrollment_only_the_approved_have_seats
SELECT count(DISTINCT sitting.candidate_id)
FROM enrollment.sitting
LEFT JOIN registration.candidate USING (candidate_id)
WHERE candidate.state IS DISTINCT FROM 'approved' OR candidate.standing <> 'active';

-- A payment that is neither the fee of a confirmed order nor a refund, or both.
-- name: money_every_payment_is_an_enrollment_or_a_refund
SELECT count(*)
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

-- A confirmed order that nobody has paid.
-- name: money_every_enrollment_is_paid
SELECT count(*)
FROM enrollment.enrollment_order
WHERE state = 'confirmed'
    AND fee_fen > 0
    AND NOT EXISTS (
        SELECT FROM enrollment.payment
        WHERE payment.order_id = enrollment_order.order_id AND payment.disposition = 'applied'
    );

-- Received less confirmed fees less refunds, in fen: must be 0.
-- name: money_adds_up_to_the_fen
SELECT abs(
    coalesce((SELECT sum(amount_fen) FROM enrollment.payment), 0)
    - coalesce((
        SELECT sum(fee_fen) FROM enrollment.enrollment_order WHERE state = 'confirmed'
    ), 0)
    - coalesce((SELECT sum(amount_fen) FROM enrollment.refund), 0)
)::bigint;

-- An order whose state no recorded move leads to.
-- name: enrollment_every_state_has_its_history
SELECT count(*)
FROM enrollment.enrollment_order
LEFT JOIN (
    SELECT DISTINCT ON (order_id) order_id, to_state
    FROM enrollment.order_event
    ORDER BY order_id, event_id DESC
) AS last_move USING (order_id)
WHERE last_move.to_state IS DISTINCT FROM enrollment_order.state;

-- A published seat that is given twice, lies outside its room or county, or is of nobody enrolled.
-- name: tickets_every_seat_is_one_persons
SELECT count(*)
FROM tickets.arrangement
JOIN tickets.seat USING (arrangement_id, session_code)
JOIN tickets.room USING (session_code, site_code, room_code)
JOIN tickets.site USING (session_code, site_code)
LEFT JOIN tickets.seat AS other
    ON other.arrangement_id = seat.arrangement_id
    AND other.slot = seat.slot
    AND other.candidate_id <> seat.candidate_id
    AND (other.site_code, other.room_code, other.seat_number)
        = (seat.site_code, seat.room_code, seat.seat_number)
LEFT JOIN tickets.sitting
    ON sitting.session_code = seat.session_code
    AND sitting.candidate_id = seat.candidate_id
    AND sitting.slot = seat.slot
    AND sitting.course_code = seat.course_code
WHERE arrangement.state = 'published'
    AND (
        other.candidate_id IS NOT NULL
        OR sitting.candidate_id IS NULL
        OR site.county_code <> arrangement.county_code
        OR seat.seat_number > room.columns * room.rows
    );

-- Somebody enrolled in a published county who has no seat, or two, in a slot.
-- name: tickets_everybody_has_a_seat
SELECT count(*)
FROM tickets.arrangement
JOIN tickets.sitting USING (session_code, county_code)
WHERE arrangement.state = 'published'
    AND (
        SELECT count(*)
        FROM tickets.seat
        WHERE seat.arrangement_id = arrangement.arrangement_id
            AND seat.candidate_id = sitting.candidate_id
            AND seat.slot = sitting.slot
    ) <> 1;

-- Somebody seated without exactly one ticket in force, of that arrangement.
-- name: tickets_everybody_has_one_ticket
SELECT count(*)
FROM (
    SELECT DISTINCT arrangement.session_code, seat.candidate_id
    FROM tickets.arrangement
    JOIN tickets.seat USING (arrangement_id)
    WHERE arrangement.state = 'published'
) AS seated
WHERE (
    SELECT count(*)
    FROM tickets.ticket
    WHERE ticket.session_code = seated.session_code
        AND ticket.candidate_id = seated.candidate_id
        AND ticket.revoked_at IS NULL
) <> 1;

-- A ticket that its own candidate printed without having read the notice.
-- name: tickets_the_notice_was_read
SELECT count(*)
FROM tickets.print_log
WHERE print_log.printed_by = print_log.candidate_id::text
    AND NOT EXISTS (
        SELECT FROM tickets.notice_acknowledgement
        WHERE notice_acknowledgement.session_code = print_log.session_code
            AND notice_acknowledgement.candidate_id = print_log.candidate_id
            AND notice_acknowledgement.acknowledged_at <= print_log.printed_at
    );
