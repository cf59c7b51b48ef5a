-- name: list_holdings
SELECT candidate_id, county_code, slot_set
FROM enrollment.enrollment
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]);

-- After candidates, and in the order of their keys: no two batches can deadlock.
-- name: lock_seats
SELECT ledger.county_code, ledger.slot, ledger.capacity - ledger.held - ledger.confirmed AS free
FROM enrollment.seat_ledger AS ledger
JOIN unnest($2::text[], $3::integer[]) AS wanted (county_code, slot)
    ON ledger.county_code = wanted.county_code AND ledger.slot = wanted.slot
WHERE ledger.session_code = $1
ORDER BY ledger.county_code, ledger.slot
FOR UPDATE OF ledger;

-- name: change_seats
UPDATE enrollment.seat_ledger AS ledger
SET held = ledger.held + given.held, confirmed = ledger.confirmed + given.confirmed
FROM unnest($2::text[], $3::integer[], $4::integer[], $5::integer[])
    AS given (county_code, slot, held, confirmed)
WHERE ledger.session_code = $1
    AND ledger.county_code = given.county_code
    AND ledger.slot = given.slot;

-- `lock_seats` and `change_seats` at once, for seats that are taken: what is in the row counts when it
-- is locked, and where that is too little nothing is taken.
-- name: take_seats
WITH seen AS MATERIALIZED (
    SELECT ledger.county_code, ledger.slot, taken.held,
        ledger.capacity - ledger.held - ledger.confirmed AS free
    FROM enrollment.seat_ledger AS ledger
    JOIN unnest($2::text[], $3::integer[], $4::integer[]) AS taken (county_code, slot, held)
        ON ledger.county_code = taken.county_code AND ledger.slot = taken.slot
    WHERE ledger.session_code = $1
    ORDER BY ledger.county_code, ledger.slot
    FOR UPDATE OF ledger
), given AS (
    UPDATE enrollment.seat_ledger AS ledger
    SET held = ledger.held + seen.held
    FROM seen
    WHERE ledger.session_code = $1
        AND ledger.county_code = seen.county_code
        AND ledger.slot = seen.slot
        AND seen.free >= seen.held
)
SELECT county_code, slot, free FROM seen;

-- As their orders say; the candidates are locked. Who would be in two counties is refused: a row
-- cannot be made twice.
-- name: bind_candidates
WITH seated AS MATERIALIZED (
    SELECT candidate_id, county_code, bit_or(1::bigint << (slot - 1)) AS slot_set,
        count(*) AS sittings
    FROM enrollment.sitting
    WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[])
    GROUP BY candidate_id, county_code
), unseated AS (
    DELETE FROM enrollment.enrollment
    WHERE session_code = $1
        AND candidate_id = ANY ($2::uuid[])
        AND candidate_id NOT IN (SELECT candidate_id FROM seated)
)
INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code, slot_set, sittings)
SELECT $1, candidate_id, county_code, slot_set, sittings FROM seated
ON CONFLICT (session_code, candidate_id) DO UPDATE SET
    county_code = excluded.county_code, slot_set = excluded.slot_set, sittings = excluded.sittings;

-- name: list_confirmed_courses
SELECT candidate_id, course_code, slot
FROM enrollment.sitting
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]) AND state = 'confirmed'
ORDER BY candidate_id, slot;
