-- What must hold at every moment in registration and tickets (enrollment's rules are its own
-- queries, audit.sql). Each query returns the places where it does not: one text of ids a place,
-- nothing personal but ticket numbers. It states its rule from the tables alone and shares no code
-- with the services.

-- Two people with one ticket number, or an approved one without.
-- name: registration_ticket_numbers_are_unique
SELECT coalesce(ticket_number, 'none') AS offender
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
SELECT coalesce(approved.ticket_number, listed.ticket_number) AS offender
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
SELECT concat_ws(' ', coalesce(given.session_code, serial.session_code),
    coalesce(given.county_code, serial.county_code)) AS offender
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
SELECT candidate_id::text AS offender
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
SELECT candidate.candidate_id::text AS offender
FROM registration.candidate
LEFT JOIN registration.identity_material ON identity_material.candidate_id = candidate.candidate_id
WHERE candidate.has_material <> (identity_material.candidate_id IS NOT NULL);

-- One person with two accounts.
-- name: registration_one_account_a_person
SELECT min(account_id::text) AS offender
FROM registration.account
WHERE document_index IS NOT NULL
GROUP BY document_index
HAVING count(*) > 1;

-- An approval with a number issued here that no officer has decided, or that left no trace.
-- name: registration_approvals_are_decided_and_audited
SELECT candidate.candidate_id::text AS offender
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
SELECT candidate.candidate_id::text AS offender
FROM registration.candidate
WHERE candidate.state = 'approved'
    AND NOT EXISTS (
        SELECT FROM registration.outbox
        WHERE outbox.event_key = candidate.candidate_id::text
    );

-- A published seat that is given twice, lies outside its room or county, or is of nobody enrolled.
-- name: tickets_every_seat_is_one_persons
SELECT concat_ws(' ', seat.session_code, seat.candidate_id, seat.slot) AS offender
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
        OR seat.seat_number > room.capacity
    );

-- Somebody enrolled in a published county who has no seat, or two, in a slot.
-- name: tickets_everybody_has_a_seat
SELECT concat_ws(' ', sitting.session_code, sitting.candidate_id, sitting.slot) AS offender
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

-- Somebody seated where the sittings are, without exactly one ticket in force, of that county.
-- name: tickets_everybody_has_one_ticket
SELECT concat_ws(' ', seated.session_code, seated.candidate_id) AS offender
FROM (
    SELECT DISTINCT arrangement.session_code, arrangement.county_code, seat.candidate_id
    FROM tickets.arrangement
    JOIN tickets.seat USING (arrangement_id)
    JOIN tickets.sitting
        ON sitting.session_code = arrangement.session_code
        AND sitting.county_code = arrangement.county_code
        AND sitting.candidate_id = seat.candidate_id
        AND sitting.slot = seat.slot
    WHERE arrangement.state = 'published'
) AS seated
WHERE (
    SELECT count(*)
    FROM tickets.ticket
    WHERE ticket.session_code = seated.session_code
        AND ticket.county_code = seated.county_code
        AND ticket.candidate_id = seated.candidate_id
        AND ticket.revoked_at IS NULL
) <> 1;

-- A ticket in force whose seats are not those in force.
-- name: tickets_show_the_seats_in_force
SELECT concat_ws(' ', ticket.session_code, ticket.candidate_id) AS offender
FROM tickets.ticket
JOIN tickets.arrangement AS published
    ON published.session_code = ticket.session_code
    AND published.county_code = ticket.county_code
    AND published.state = 'published'
    AND published.arrangement_id <> ticket.arrangement_id
WHERE ticket.revoked_at IS NULL
    AND (
        SELECT string_agg(concat_ws(' ', slot, site_code, room_code, seat_number, course_code), ','
            ORDER BY slot)
        FROM tickets.seat
        WHERE seat.arrangement_id = ticket.arrangement_id
            AND seat.candidate_id = ticket.candidate_id
    ) IS DISTINCT FROM (
        SELECT string_agg(concat_ws(' ', slot, site_code, room_code, seat_number, course_code), ','
            ORDER BY slot)
        FROM tickets.seat
        WHERE seat.arrangement_id = published.arrangement_id
            AND seat.candidate_id = ticket.candidate_id
    );

-- A ticket with a version that is not there, or with one in force that is not its last.
-- name: tickets_versions_follow_each_other
SELECT concat_ws(' ', session_code, candidate_id) AS offender
FROM tickets.ticket
GROUP BY session_code, candidate_id
HAVING max(version) <> count(*)
    OR min(version) FILTER (WHERE revoked_at IS NULL) <> max(version);

-- A ticket in force that no scanner takes: its key is retired, or none of ours.
-- name: tickets_proofs_are_of_keys_that_count
SELECT concat_ws(' ', ticket.session_code, ticket.candidate_id) AS offender
FROM tickets.ticket
LEFT JOIN tickets.proof_key ON proof_key.key_id = ticket.proof_key_id
WHERE ticket.revoked_at IS NULL
    AND ticket.proof IS NOT NULL
    AND (proof_key.key_id IS NULL OR proof_key.retired_at IS NOT NULL);

-- An arrangement in force whose seats are not those that were checked, or that was not checked.
-- name: tickets_seats_are_those_that_were_checked
SELECT concat_ws(' ', arrangement.session_code, arrangement.county_code) AS offender
FROM tickets.arrangement
WHERE arrangement.state = 'published'
    AND (
        arrangement.checked_at IS NULL
        OR arrangement.seats_sha256 IS DISTINCT FROM (
            SELECT sha256(convert_to(coalesce(string_agg(
                concat_ws(' ', slot, site_code, room_code, seat_number, candidate_id, course_code,
                    CASE WHEN late THEN 'late' END) || E'\n',
                '' ORDER BY slot, site_code COLLATE "C", room_code COLLATE "C", seat_number
            ), ''), 'UTF8'))
            FROM tickets.seat
            WHERE seat.arrangement_id = arrangement.arrangement_id
        )
    );

-- A slot of an arrangement in force, made anew, without a proof, or in more rooms than it says.
-- name: tickets_rooms_are_proven
SELECT concat_ws(' ', arrangement.session_code, arrangement.county_code, seated.slot) AS offender
FROM tickets.arrangement
CROSS JOIN LATERAL (
    SELECT seat.slot, count(DISTINCT (seat.site_code, seat.room_code)) AS rooms
    FROM tickets.seat
    WHERE seat.arrangement_id = arrangement.arrangement_id
    GROUP BY seat.slot
) AS seated
LEFT JOIN tickets.arrangement_slot
    ON arrangement_slot.arrangement_id = arrangement.arrangement_id
    AND arrangement_slot.slot = seated.slot
WHERE arrangement.state = 'published'
    AND (arrangement.based_on IS NULL OR arrangement.anew)
    AND seated.rooms IS DISTINCT FROM arrangement_slot.rooms::bigint;

-- Late changes that moved more than three others for each who changed.
-- name: tickets_late_changes_move_few
SELECT concat_ws(' ', session_code, county_code) AS offender
FROM tickets.arrangement
WHERE state IN ('published', 'superseded') AND NOT anew AND moved > 3 * changed;

-- A ticket that its own candidate printed without having read the notice.
-- name: tickets_the_notice_was_read
SELECT concat_ws(' ', print_log.session_code, print_log.candidate_id) AS offender
FROM tickets.print_log
WHERE print_log.printed_by = print_log.candidate_id::text
    AND NOT EXISTS (
        SELECT FROM tickets.notice_acknowledgement
        WHERE notice_acknowledgement.session_code = print_log.session_code
            AND notice_acknowledgement.candidate_id = print_log.candidate_id
            AND notice_acknowledgement.acknowledged_at <= print_log.printed_at
    );
