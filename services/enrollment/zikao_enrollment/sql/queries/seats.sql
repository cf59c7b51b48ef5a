-- name: list_holdings
SELECT candidate_id, county_code, array_agg(slot) AS slots
FROM enrollment.sitting
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[])
GROUP BY candidate_id, county_code;

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

-- name: insert_enrollments
INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code)
SELECT $1, given.candidate_id, given.county_code
FROM unnest($2::uuid[], $3::text[]) AS given (candidate_id, county_code)
ON CONFLICT (session_code, candidate_id) DO NOTHING;

-- name: insert_sittings
INSERT INTO enrollment.sitting
    (session_code, candidate_id, slot, order_id, course_code, county_code)
SELECT $1, given.candidate_id, given.slot, given.order_id, given.course_code, given.county_code
FROM unnest($2::uuid[], $3::integer[], $4::uuid[], $5::text[], $6::text[])
    AS given (candidate_id, slot, order_id, course_code, county_code);

-- name: delete_sittings
DELETE FROM enrollment.sitting WHERE order_id = ANY ($1::uuid[]);

-- name: delete_empty_enrollments
DELETE FROM enrollment.enrollment
WHERE session_code = $1
    AND candidate_id = ANY ($2::uuid[])
    AND NOT EXISTS (
        SELECT FROM enrollment.sitting
        WHERE sitting.session_code = enrollment.session_code
            AND sitting.candidate_id = enrollment.candidate_id
    );

-- name: list_confirmed_courses
SELECT sitting.candidate_id, sitting.course_code, sitting.slot
FROM enrollment.sitting
JOIN enrollment.enrollment_order USING (order_id)
WHERE sitting.session_code = $1
    AND sitting.candidate_id = ANY ($2::uuid[])
    AND enrollment_order.state = 'confirmed'
ORDER BY sitting.candidate_id, sitting.slot;
