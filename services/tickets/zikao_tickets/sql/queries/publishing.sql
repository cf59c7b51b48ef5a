-- name: supersede_arrangement
UPDATE tickets.arrangement SET state = 'superseded' WHERE arrangement_id = $1;

-- name: approve_arrangements
UPDATE tickets.arrangement
SET state = 'approved', approved_at = $2, approved_by = $3, failure = '', publish_attempts = 0
WHERE arrangement_id = ANY ($1::uuid[]) AND state = 'done';

-- The newest of each county that is done and made on the one in force. What has no digest was made
-- by a version that did not keep what one has to check.
-- name: list_publishable
SELECT DISTINCT ON (county_code) arrangement_id
FROM tickets.arrangement
WHERE session_code = $1 AND starts_with(county_code, $2) AND state = 'done'
    AND seats_sha256 IS NOT NULL
    AND based_on IS NOT DISTINCT FROM (
        SELECT in_force.arrangement_id
        FROM tickets.arrangement AS in_force
        WHERE in_force.session_code = $1
            AND in_force.county_code = arrangement.county_code
            AND in_force.state = 'published'
    )
ORDER BY county_code, started_at DESC;

-- What a second officer should know of them.
-- name: describe_publishable
SELECT proposed.arrangement_id, coalesce(proposed.seats_sha256, '') AS seats_sha256,
    proposed.county_code, proposed.anew, proposed.started_by,
    count(*) FILTER (
        WHERE other.state = 'discarded' AND other.seeded_on IS NOT DISTINCT FROM proposed.seeded_on
    ) AS discarded,
    count(*) FILTER (WHERE other.state IN ('published', 'superseded')) AS published_before,
    proposed.rooms, proposed.rooms_bound
FROM tickets.arrangement AS proposed
JOIN tickets.arrangement AS other USING (session_code, county_code)
WHERE proposed.arrangement_id = ANY ($1::uuid[])
GROUP BY proposed.arrangement_id
ORDER BY proposed.county_code;

-- Whether it uses more rooms than are proven to be needed; who keeps seats in force proves nothing.
-- name: lock_publishable
SELECT arrangement_id, county_code, seats_sha256, state,
    rooms > rooms_bound AND (based_on IS NULL OR anew) AS is_above_bound
FROM tickets.arrangement
WHERE arrangement_id = ANY ($1::uuid[])
ORDER BY arrangement_id
FOR UPDATE;

-- Counted before it is tried: what ends the database's patience takes the count of the same
-- transaction with it, and would be the first again for ever.
-- name: take_approved_arrangement
UPDATE tickets.arrangement SET publish_attempts = publish_attempts + 1
WHERE arrangement_id = (
    SELECT waiting.arrangement_id
    FROM tickets.arrangement AS waiting
    WHERE waiting.state = 'approved'
    ORDER BY waiting.publish_attempts, waiting.approved_at, waiting.county_code
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING arrangement_id, approved_by, publish_attempts;

-- No row when another process has it, or has published it.
-- name: lock_approved_arrangement
SELECT arrangement_id
FROM tickets.arrangement
WHERE arrangement_id = $1 AND state = 'approved'
FOR UPDATE SKIP LOCKED;

-- What could not be published after all is done again, and says why.
-- name: refuse_approved_arrangement
UPDATE tickets.arrangement SET state = 'done', failure = $2
WHERE arrangement_id = $1 AND state = 'approved';

-- name: publish_arrangement
UPDATE tickets.arrangement
SET state = 'published', failure = '', published_at = $2, published_by = $3
WHERE arrangement_id = $1;

-- Serialises publications of one county.
-- name: lock_county
SELECT pg_advisory_xact_lock(hashtextextended('tickets.publish:' || $1 || ':' || $2, 0));

-- The same of the arrangement's county and of those whose tickets its people still have, in order.
-- LIMIT: one look by key for each of them. While a session is published, no statistics know yet how
-- many tickets there are, and the planner would go through all of them for every county.
-- name: lock_counties
WITH plan AS MATERIALIZED (
    SELECT arrangement_id, session_code, county_code
    FROM tickets.arrangement
    WHERE arrangement_id = $1
),
seated AS MATERIALIZED (
    SELECT DISTINCT candidate_id FROM tickets.seat WHERE arrangement_id = $1
),
county AS MATERIALIZED (
    SELECT session_code, county_code
    FROM plan
    UNION
    SELECT valid.session_code, valid.county_code
    FROM seated
    CROSS JOIN LATERAL (
        SELECT ticket.session_code, ticket.county_code
        FROM tickets.ticket
        WHERE ticket.session_code = (SELECT session_code FROM plan)
            AND ticket.candidate_id = seated.candidate_id
            AND ticket.revoked_at IS NULL
        LIMIT 1
    ) AS valid
    ORDER BY county_code
)
SELECT pg_advisory_xact_lock(
    hashtextextended('tickets.publish:' || session_code || ':' || county_code, 0)
)
FROM county;

-- Ends the tickets of other counties whose people sit here now.
-- name: revoke_tickets_elsewhere
WITH plan AS MATERIALIZED (
    SELECT session_code, county_code FROM tickets.arrangement WHERE arrangement_id = $1
),
seated AS MATERIALIZED (
    SELECT DISTINCT candidate_id FROM tickets.seat WHERE arrangement_id = $1
),
elsewhere AS MATERIALIZED (
    SELECT valid.session_code, valid.candidate_id, valid.version
    FROM seated
    CROSS JOIN LATERAL (
        SELECT ticket.session_code, ticket.candidate_id, ticket.version, ticket.county_code
        FROM tickets.ticket
        WHERE ticket.session_code = (SELECT session_code FROM plan)
            AND ticket.candidate_id = seated.candidate_id
            AND ticket.revoked_at IS NULL
        LIMIT 1
    ) AS valid
    WHERE valid.county_code <> (SELECT county_code FROM plan)
)
UPDATE tickets.ticket SET revoked_at = $2
FROM elsewhere
WHERE ticket.session_code = elsewhere.session_code
    AND ticket.candidate_id = elsewhere.candidate_id
    AND ticket.version = elsewhere.version;

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

-- Tickets for everyone of the arrangement who has none in force; serials and versions go on counting.
-- All of it is counted before the first is added, or the last would look through all that were.
-- Candidates and earlier tickets are looked up by key, as in lock_counties.
-- name: issue_tickets
WITH plan AS MATERIALIZED (
    SELECT arrangement_id, session_code, county_code
    FROM tickets.arrangement
    WHERE arrangement_id = $1
),
issued AS MATERIALIZED (
    SELECT count(*) AS tickets
    FROM tickets.ticket
    JOIN plan USING (session_code, county_code)
),
seated AS MATERIALIZED (
    SELECT DISTINCT candidate_id FROM tickets.seat WHERE arrangement_id = $1
),
waiting AS MATERIALIZED (
    SELECT seated.candidate_id, candidate.ticket_number, coalesce(earlier.version, 0) AS version
    FROM seated
    CROSS JOIN LATERAL (
        SELECT ticket_number FROM tickets.candidate WHERE candidate_id = seated.candidate_id LIMIT 1
    ) AS candidate
    CROSS JOIN LATERAL (
        SELECT max(version) AS version, bool_or(revoked_at IS NULL) AS is_valid
        FROM tickets.ticket
        WHERE ticket.session_code = (SELECT session_code FROM plan)
            AND ticket.candidate_id = seated.candidate_id
    ) AS earlier
    WHERE earlier.is_valid IS NOT TRUE
)
INSERT INTO tickets.ticket
    (session_code, candidate_id, version, county_code, arrangement_id, ticket_number, serial,
    issued_at)
SELECT plan.session_code, waiting.candidate_id, waiting.version + 1, plan.county_code,
    plan.arrangement_id, waiting.ticket_number,
    plan.session_code || '-' || plan.county_code || '-' || lpad(
        (issued.tickets + row_number() OVER (ORDER BY waiting.ticket_number))::text, 6, '0'
    ),
    $2
FROM plan
CROSS JOIN issued
CROSS JOIN waiting;

-- Seated people the candidate feed has not brought yet: no ticket could be made for them.
-- name: count_unknown_candidates
SELECT count(*)
FROM (SELECT DISTINCT candidate_id FROM tickets.seat WHERE arrangement_id = $1) AS seated
WHERE (
    SELECT true FROM tickets.candidate WHERE candidate_id = seated.candidate_id LIMIT 1
) IS NULL;
