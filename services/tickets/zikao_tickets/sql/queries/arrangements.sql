-- Until the end of the transaction nobody else starts one of the session: of two who find no seed,
-- one would fix another.
-- name: hold_starts
SELECT pg_advisory_xact_lock(hashtextextended('tickets.start:' || $1, 0));

-- What is in force in each county, and who was the first to be started on it: with its seed.
-- name: list_bases
SELECT given.county_code, in_force.arrangement_id AS in_force, first.arrangement_id AS seeded_by,
    first.seed_enc
FROM unnest($2::text[]) AS given (county_code)
LEFT JOIN tickets.arrangement AS in_force
    ON in_force.session_code = $1 AND in_force.county_code = given.county_code
    AND in_force.state = 'published'
LEFT JOIN tickets.arrangement AS first
    ON first.session_code = $1 AND first.county_code = given.county_code
    AND first.seeded_on IS NOT DISTINCT FROM in_force.arrangement_id AND first.fixes_seed;

-- Seeds of a county with what was published of what they draw, the newest first.
-- name: list_draws
SELECT first.seed_sha256, first.started_at, drawn.arrangement_id, drawn.published_at, drawn.seed_enc,
    drawn.seats_sha256
FROM tickets.arrangement AS first
LEFT JOIN tickets.arrangement AS drawn
    ON drawn.session_code = first.session_code AND drawn.county_code = first.county_code
    AND drawn.seeded_on IS NOT DISTINCT FROM first.seeded_on
    AND drawn.seed_sha256 = first.seed_sha256
    AND drawn.state IN ('published', 'superseded')
WHERE first.session_code = $1 AND first.county_code = $2 AND first.fixes_seed
ORDER BY first.started_at DESC, first.arrangement_id
LIMIT $3;

-- name: insert_operation
INSERT INTO tickets.arrangement_operation
    (operation_id, session_code, county_prefix, started_at, started_by)
VALUES ($1, $2, $3, $4, $5);

-- One a county; those where another is in progress are left out.
-- name: insert_arrangements
INSERT INTO tickets.arrangement
    (arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at, started_by,
    anew, operation_id, seeded_on, fixes_seed)
SELECT given.arrangement_id, $1, given.county_code, 'pending', given.seed_enc, given.seed_sha256,
    $2, $3, $4, $5, given.seeded_on, given.fixes_seed
FROM unnest($6::uuid[], $7::text[], $8::bytea[], $9::bytea[], $10::uuid[], $11::boolean[])
    AS given (arrangement_id, county_code, seed_enc, seed_sha256, seeded_on, fixes_seed)
ON CONFLICT (session_code, county_code) WHERE state IN ('pending', 'running') DO NOTHING
RETURNING county_code;

-- Where somebody sits, and whether an arrangement is in progress there.
-- name: list_counties_to_arrange
SELECT county_code, EXISTS (
    SELECT 1
    FROM tickets.arrangement
    WHERE arrangement.session_code = $1
        AND arrangement.county_code = sitting.county_code
        AND arrangement.state IN ('pending', 'running')
) AS in_progress
FROM tickets.sitting
WHERE session_code = $1 AND starts_with(county_code, $2)
GROUP BY county_code
ORDER BY county_code;

-- name: load_operation
SELECT session_code, county_prefix FROM tickets.arrangement_operation WHERE operation_id = $1;

-- name: load_arrangement
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at,
    started_by, seeded_on, fixes_seed, failure, operation_id, based_on, anew, attempts, checked_at,
    seats_sha256, stage, stage_done, stage_total, candidates, sittings, rooms, rooms_bound, packs,
    packs_bound, site_changes, site_changes_bound, changers, gap_reason, changed, moved, late_shares
FROM tickets.arrangement
WHERE arrangement_id = $1;

-- name: lock_arrangement
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at,
    started_by, seeded_on, fixes_seed, failure, operation_id, based_on, anew, attempts, checked_at,
    seats_sha256, stage, stage_done, stage_total, candidates, sittings, rooms, rooms_bound, packs,
    packs_bound, site_changes, site_changes_bound, changers, gap_reason, changed, moved, late_shares
FROM tickets.arrangement
WHERE arrangement_id = $1
FOR UPDATE;

-- name: list_operation
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at,
    started_by, seeded_on, fixes_seed, failure, operation_id, based_on, anew, attempts, checked_at,
    seats_sha256, stage, stage_done, stage_total, candidates, sittings, rooms, rooms_bound, packs,
    packs_bound, site_changes, site_changes_bound, changers, gap_reason, changed, moved, late_shares
FROM tickets.arrangement
WHERE operation_id = $1
ORDER BY county_code;

-- By county, the newest of a county first; after the one named by $5 and $6 ("" for the beginning).
-- name: list_arrangements
SELECT arrangement_id, session_code, county_code, state, seed_enc, seed_sha256, started_at,
    started_by, seeded_on, fixes_seed, failure, operation_id, based_on, anew, attempts, checked_at,
    seats_sha256, stage, stage_done, stage_total, candidates, sittings, rooms, rooms_bound, packs,
    packs_bound, site_changes, site_changes_bound, changers, gap_reason, changed, moved, late_shares
FROM tickets.arrangement
WHERE session_code = $1
    AND starts_with(county_code, $2)
    AND ($3::text IS NULL OR state = $3)
    AND (
        NOT $4
        OR rooms > rooms_bound
        OR packs > packs_bound
        OR site_changes > site_changes_bound
    )
    AND ($5::text IS NULL OR county_code >= $5)
    AND (
        $6::uuid IS NULL
        OR county_code > $5
        OR (started_at, arrangement_id) < (
            SELECT last.started_at, last.arrangement_id
            FROM tickets.arrangement AS last
            WHERE last.arrangement_id = $6
        )
    )
ORDER BY county_code, started_at DESC, arrangement_id DESC
LIMIT $7;

-- Takes the oldest arrangement that nobody works on (new, or left by a process that died) and
-- for which everything has come that was committed at the feed's source before it was requested.
-- All these times are databases' times: a rehearsal moves the clock of the rules, and an event
-- committed before the move would count as having come.
-- name: lease_arrangement
UPDATE tickets.arrangement
SET state = 'running', stage = 'reading', stage_done = 0, stage_total = 0,
    leased_until = clock_timestamp() + $2::interval, attempts = attempts + 1
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
    ORDER BY waiting.requested_at, waiting.county_code
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING arrangement_id, attempts;

-- Says how far the work is, and keeps the lease; no row when another has taken it.
-- name: renew_arrangement
UPDATE tickets.arrangement
SET leased_until = clock_timestamp() + $3::interval, stage = $4, stage_done = $5, stage_total = $6
WHERE arrangement_id = $1 AND attempts = $2 AND state = 'running'
RETURNING cancel_requested_at IS NOT NULL AS is_cancelled;

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

-- What is waiting ends now, what runs is asked to end; what is being seated has its row locked, and
-- is done before it could be asked.
-- name: cancel_arrangements
UPDATE tickets.arrangement
SET state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END,
    cancel_requested_at = coalesce(cancel_requested_at, $3)
WHERE arrangement_id IN (
    SELECT arrangement_id
    FROM tickets.arrangement
    WHERE (operation_id = $1 OR arrangement_id = $2) AND state IN ('pending', 'running')
    ORDER BY arrangement_id
    FOR UPDATE SKIP LOCKED
)
RETURNING state;

-- name: end_cancelled_arrangement
UPDATE tickets.arrangement SET state = 'cancelled', leased_until = NULL
WHERE arrangement_id = $1 AND attempts = $2 AND state = 'running';

-- Its people have changed while it was worked on: it is taken again, from the beginning.
-- name: return_arrangement
UPDATE tickets.arrangement SET leased_until = clock_timestamp() - interval '1 second'
WHERE arrangement_id = $1 AND attempts = $2 AND state = 'running';

-- name: finish_arrangement
UPDATE tickets.arrangement
SET state = 'done', leased_until = NULL, cancel_requested_at = NULL, stage = 'seating',
    based_on = $2, checked_at = $3, roster_sha256 = $4, seats_sha256 = $5, candidates = $6,
    sittings = $7, rooms = $8, rooms_bound = $9, packs = $10, packs_bound = $11, site_changes = $12,
    site_changes_bound = $13, changers = $14, gap_reason = $15, changed = $16, moved = $17,
    late_shares = $18
WHERE arrangement_id = $1;

-- What is done and not published, and a newer one has taken the place of; one that is just being
-- published is left alone.
-- name: discard_older_arrangements
UPDATE tickets.arrangement SET state = 'discarded'
WHERE arrangement_id IN (
    SELECT older.arrangement_id
    FROM tickets.arrangement AS older
    JOIN tickets.arrangement AS newer USING (session_code, county_code)
    WHERE newer.arrangement_id = $1 AND older.arrangement_id <> $1 AND older.state = 'done'
    FOR UPDATE OF older SKIP LOCKED
)
RETURNING arrangement_id;

-- Nothing when another worker has taken it over meanwhile, or brought it to an end.
-- name: fail_arrangement
UPDATE tickets.arrangement SET state = 'failed', leased_until = NULL, failure = $3
WHERE arrangement_id = $1 AND attempts = $2 AND state = 'running';

-- name: find_arrangement_in_force
SELECT arrangement_id
FROM tickets.arrangement
WHERE session_code = $1 AND county_code = $2 AND state = 'published';

-- How counties stand: by the arrangement that was started last, and beside it by what is in force.
-- name: count_states
SELECT session_code, state, count(*) AS counties
FROM (
    SELECT DISTINCT ON (session_code, county_code) session_code, state
    FROM tickets.arrangement
    ORDER BY session_code, county_code, started_at DESC, arrangement_id DESC
) AS latest
WHERE state IN ('pending', 'running', 'done', 'approved', 'failed')
GROUP BY session_code, state
UNION ALL
SELECT session_code, state, count(*) AS counties
FROM tickets.arrangement
WHERE state = 'published'
GROUP BY session_code, state;
