-- Nothing while another arrangement of the county is in progress.
-- name: insert_arrangement
INSERT INTO tickets.arrangement
    (arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at, started_by)
VALUES ($1, $2, $3, 'pending', $4, $5, $6, $7)
ON CONFLICT (session_code, county_code) WHERE state IN ('pending', 'running') DO NOTHING
RETURNING arrangement_id;

-- name: load_arrangement
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, candidates,
    sittings, rooms, failure, started_at, based_on
FROM tickets.arrangement
WHERE arrangement_id = $1;

-- name: lock_arrangement
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, candidates,
    sittings, rooms, failure, started_at, based_on
FROM tickets.arrangement
WHERE arrangement_id = $1
FOR UPDATE;

-- Takes the oldest arrangement that nobody works on (new, or left by a process that died) and
-- for which everything has come that was committed at the feed's source before it was requested.
-- All these times are databases' times: a rehearsal moves the clock of the rules, and an event
-- committed before the move would count as having come.
-- name: lease_arrangement
UPDATE tickets.arrangement
SET state = 'running', leased_until = clock_timestamp() + $2::interval, attempts = attempts + 1
WHERE arrangement_id = (
    SELECT waiting.arrangement_id
    FROM tickets.arrangement AS waiting
    WHERE (
        waiting.state = 'pending'
        OR (waiting.state = 'running' AND waiting.leased_until < clock_timestamp())
    )
    AND EXISTS (
        SELECT 1
        FROM tickets.feed_cursor
        WHERE source = $1 AND as_of >= waiting.requested_at
    )
    ORDER BY waiting.requested_at
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING arrangement_id;

-- Ends what whoever took it has left without an end again and again; whoever is still at it,
-- beyond the lease, has the row locked.
-- name: give_up_arrangements
UPDATE tickets.arrangement
SET state = 'failed', leased_until = NULL,
    failure = '编排多次中断，请联系技术人员（编号' || arrangement_id || '）'
WHERE arrangement_id IN (
    SELECT arrangement_id
    FROM tickets.arrangement
    WHERE state = 'running' AND leased_until < clock_timestamp() AND attempts >= $1
    FOR UPDATE SKIP LOCKED
)
RETURNING arrangement_id;

-- In the order in which they are arranged: sorting a hundred thousand holds the interpreter.
-- name: list_county_sittings
SELECT candidate_id, slot, course_code
FROM tickets.sitting
WHERE session_code = $1 AND county_code = $2
ORDER BY candidate_id, slot;

-- name: delete_seats
DELETE FROM tickets.seat WHERE arrangement_id = $1;

-- name: insert_seats
INSERT INTO tickets.seat
    (arrangement_id, session_code, slot, site_code, room_code, seat_number, candidate_id,
    course_code)
SELECT $1, $2, given.slot, given.site_code, given.room_code, given.seat_number,
    given.candidate_id, given.course_code
FROM unnest($3::integer[], $4::text[], $5::text[], $6::integer[], $7::uuid[], $8::text[])
    AS given (slot, site_code, room_code, seat_number, candidate_id, course_code);

-- name: finish_arrangement
UPDATE tickets.arrangement
SET state = 'done', leased_until = NULL, candidates = $2, sittings = $3, rooms = $4, based_on = $5
WHERE arrangement_id = $1;

-- Nothing when another worker has brought it to an end meanwhile.
-- name: fail_arrangement
UPDATE tickets.arrangement SET state = 'failed', leased_until = NULL, failure = $2
WHERE arrangement_id = $1 AND state = 'running';

-- name: find_arrangement_in_force
SELECT arrangement_id
FROM tickets.arrangement
WHERE session_code = $1 AND county_code = $2 AND state = 'published';

-- name: list_seats
SELECT slot, site_code, room_code, seat_number, candidate_id, course_code
FROM tickets.seat
WHERE arrangement_id = $1
ORDER BY slot, site_code, room_code, seat_number;

-- name: supersede_arrangement
UPDATE tickets.arrangement SET state = 'superseded' WHERE arrangement_id = $1;

-- name: publish_arrangement
UPDATE tickets.arrangement SET state = 'published', published_at = $2, published_by = $3
WHERE arrangement_id = $1;

-- Serialises publications of one county.
-- name: lock_county
SELECT pg_advisory_xact_lock(hashtextextended('tickets.publish:' || $1 || ':' || $2, 0));

-- Ends the tickets whose seats are not exactly those of the new arrangement.
-- name: revoke_changed_tickets
UPDATE tickets.ticket SET revoked_at = $2
FROM tickets.arrangement AS plan
WHERE plan.arrangement_id = $1
    AND ticket.session_code = plan.session_code
    AND ticket.county_code = plan.county_code
    AND ticket.revoked_at IS NULL
    AND EXISTS (
        (
            SELECT slot, site_code, room_code, seat_number, course_code
            FROM tickets.seat
            WHERE seat.arrangement_id IN ($1, ticket.arrangement_id)
                AND seat.candidate_id = ticket.candidate_id
        )
        EXCEPT
        (
            SELECT old.slot, old.site_code, old.room_code, old.seat_number, old.course_code
            FROM tickets.seat AS old
            JOIN tickets.seat AS new
                USING (slot, site_code, room_code, seat_number, course_code, candidate_id)
            WHERE old.arrangement_id = ticket.arrangement_id AND new.arrangement_id = $1
                AND old.candidate_id = ticket.candidate_id
        )
    );

-- Tickets for everyone of the arrangement who has none in force; serials go on counting. They are
-- counted once: a count a row would go over all the rows that this statement has added.
-- name: issue_tickets
WITH plan AS (
    SELECT arrangement_id, session_code, county_code
    FROM tickets.arrangement
    WHERE arrangement_id = $1
),
issued AS MATERIALIZED (
    SELECT count(*) AS tickets
    FROM tickets.ticket
    JOIN plan USING (session_code, county_code)
),
seated AS (
    SELECT DISTINCT candidate_id FROM tickets.seat WHERE arrangement_id = $1
)
INSERT INTO tickets.ticket
    (session_code, candidate_id, version, county_code, arrangement_id, ticket_number, serial,
    issued_at)
SELECT plan.session_code, candidate.candidate_id,
    1 + coalesce((
        SELECT max(earlier.version)
        FROM tickets.ticket AS earlier
        WHERE earlier.session_code = plan.session_code
            AND earlier.candidate_id = candidate.candidate_id
    ), 0),
    plan.county_code, plan.arrangement_id, candidate.ticket_number,
    plan.session_code || '-' || plan.county_code || '-' || lpad(
        (issued.tickets + row_number() OVER (ORDER BY candidate.ticket_number))::text, 6, '0'
    ),
    $2
FROM plan
CROSS JOIN issued
CROSS JOIN seated
JOIN tickets.candidate USING (candidate_id)
WHERE NOT EXISTS (
    SELECT 1
    FROM tickets.ticket AS valid
    WHERE valid.session_code = plan.session_code
        AND valid.candidate_id = candidate.candidate_id
        AND valid.revoked_at IS NULL
);

-- Seated people the candidate feed has not brought yet: no ticket could be made for them.
-- name: count_unknown_candidates
SELECT count(DISTINCT seat.candidate_id)
FROM tickets.seat
LEFT JOIN tickets.candidate USING (candidate_id)
WHERE seat.arrangement_id = $1 AND candidate.candidate_id IS NULL;
