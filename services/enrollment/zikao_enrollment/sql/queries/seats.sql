-- The set-based statements of one batch, in the order in which it sends them. Candidates are
-- locked before seats, both in the order of their keys: no two batches can deadlock.

-- name: lock_candidates
SELECT candidate_id, track, standing, standing_reason
FROM enrollment.candidate
WHERE candidate_id = ANY ($1::uuid[])
ORDER BY candidate_id
FOR NO KEY UPDATE;

-- name: list_plans
SELECT candidate_id, course_codes, county_codes, may_move
FROM enrollment.plan
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[]);

-- name: list_holdings
SELECT candidate_id, county_code, array_agg(slot) AS slots
FROM enrollment.sitting
WHERE session_code = $1 AND candidate_id = ANY ($2::uuid[])
GROUP BY candidate_id, county_code;

-- name: lock_seats
SELECT ledger.county_code, ledger.slot, ledger.capacity - ledger.held - ledger.confirmed AS free
FROM enrollment.seat_ledger AS ledger
JOIN unnest($2::text[], $3::integer[]) AS wanted (county_code, slot)
    ON ledger.county_code = wanted.county_code AND ledger.slot = wanted.slot
WHERE ledger.session_code = $1
ORDER BY ledger.county_code, ledger.slot
FOR UPDATE OF ledger;

-- name: insert_orders
INSERT INTO enrollment.enrollment_order
    (order_id, session_code, candidate_id, county_code, slots, course_codes, state, fee_fen,
    held_until, created_at, updated_at)
SELECT given.order_id, $1, given.candidate_id, given.county_code, given.slots::integer[],
    given.course_codes::text[], given.state, given.fee_fen, $9, $10, $10
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[])
    AS given (order_id, candidate_id, county_code, slots, course_codes, state, fee_fen);

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

-- name: change_seats
UPDATE enrollment.seat_ledger AS ledger
SET held = ledger.held + given.held, confirmed = ledger.confirmed + given.confirmed
FROM unnest($2::text[], $3::integer[], $4::integer[], $5::integer[])
    AS given (county_code, slot, held, confirmed)
WHERE ledger.session_code = $1
    AND ledger.county_code = given.county_code
    AND ledger.slot = given.slot;

-- name: insert_order_events
INSERT INTO enrollment.order_event (order_id, from_state, to_state, cause, actor, at)
SELECT given.order_id, given.from_state, given.to_state, given.cause, given.actor, $6
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
    AS given (order_id, from_state, to_state, cause, actor);
