-- Whether every slot has been given as few rooms as can be: weights and prices are checked by a
-- table, without a solver and without the code that found them.

-- `weights[s]` is what a remainder of s people weighs, `prices[k]` what a room of the k-th capacity
-- is worth beside the denominator. They prove something when no 6 remainders that fit into a room
-- weigh more than denominator + price: best_6 is the most that so many weigh, by the people they
-- have. A course then costs at least `cost`: the least over the ways to fill rooms with it and leave
-- a remainder. Published seats that are kept need no proof: it is the first arrangement's.
-- name: check_proof
WITH RECURSIVE plan AS MATERIALIZED (
    SELECT arrangement_id, session_code, county_code
    FROM tickets.arrangement
    WHERE arrangement_id = $1 AND (based_on IS NULL OR anew)
),
proof AS MATERIALIZED (
    SELECT arrangement_slot.*, capacities[1] AS largest
    FROM tickets.arrangement_slot
    JOIN plan USING (arrangement_id)
),
course AS MATERIALIZED (
    SELECT slot, course_code, count(*)::integer AS people
    FROM tickets.sitting
    WHERE session_code = (SELECT session_code FROM plan)
        AND county_code = (SELECT county_code FROM plan)
    GROUP BY slot, course_code
),
used AS MATERIALIZED (
    SELECT slot, count(DISTINCT (site_code, room_code)) AS rooms, count(*) AS packs
    FROM (
        SELECT slot, site_code, room_code, course_code
        FROM tickets.seat
        WHERE arrangement_id = (SELECT arrangement_id FROM plan)
        GROUP BY slot, site_code, room_code, course_code
    ) AS pack
    GROUP BY slot
),
weight AS MATERIALIZED (
    SELECT slot, 0 AS size, 0::bigint AS weight
    FROM proof
    UNION ALL
    SELECT proof.slot, given.size::integer, given.weight
    FROM proof
    CROSS JOIN LATERAL unnest(proof.weights) WITH ORDINALITY AS given (weight, size)
),
best_0 AS (
    SELECT proof.slot, people, 0::bigint AS weight
    FROM proof
    CROSS JOIN LATERAL generate_series(0, proof.largest) AS people
),
best_1 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_0 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
best_2 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_1 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
best_3 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_2 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
best_4 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_3 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
best_5 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_4 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
best_6 AS MATERIALIZED (
    SELECT slot, before.people + size AS people, max(before.weight + added.weight) AS weight
    FROM best_5 AS before JOIN weight AS added USING (slot) JOIN proof USING (slot)
    WHERE before.people + size <= largest
    GROUP BY slot, before.people + size
),
size AS MATERIALIZED (
    SELECT proof.slot, given.capacity, given.rooms, given.price
    FROM proof
    CROSS JOIN LATERAL unnest(proof.capacities, proof.room_counts, proof.prices)
        AS given (capacity, rooms, price)
),
unsound AS MATERIALIZED (
    SELECT size.slot
    FROM size
    JOIN proof USING (slot)
    LEFT JOIN best_6 ON best_6.slot = size.slot AND best_6.people = size.capacity
    WHERE size.price < 0
        OR size.capacity > proof.largest
        OR coalesce(best_6.weight > proof.denominator + size.price, true)
    UNION
    SELECT slot FROM weight WHERE weight < 0
    UNION
    SELECT slot FROM proof WHERE cardinality(weights) <> largest - 1
    UNION
    -- A room that the proof does not know of, or more of them than it reckons with.
    SELECT proof.slot
    FROM proof
    CROSS JOIN (
        SELECT room.capacity, count(*) AS rooms
        FROM plan
        JOIN tickets.site USING (session_code, county_code)
        JOIN tickets.room USING (session_code, site_code)
        WHERE room.use = 'normal'
        GROUP BY room.capacity
    ) AS there
    LEFT JOIN size ON size.slot = proof.slot AND size.capacity = there.capacity
    WHERE coalesce(size.price > 0 AND size.rooms < there.rooms, true)
),
-- `last[i]` is what i - 1 people fewer cost.
mixed (slot, people, cost, last) AS (
    SELECT proof.slot, 0, 0::bigint, array_fill(0::bigint, ARRAY[proof.largest])
    FROM proof
    WHERE cardinality(proof.capacities) > 1
    UNION ALL
    SELECT mixed.slot, mixed.people + 1, next.cost,
        next.cost || mixed.last[1:proof.largest - 1]
    FROM mixed
    JOIN proof USING (slot)
    CROSS JOIN LATERAL (
        SELECT least(
            proof.weights[mixed.people + 1],
            (
                SELECT min(proof.denominator + price + mixed.last[capacity])
                FROM unnest(proof.capacities, proof.prices) AS given (capacity, price)
                WHERE capacity <= mixed.people + 1
            )
        ) AS cost
    ) AS next
    WHERE mixed.people < (SELECT max(course.people) FROM course WHERE course.slot = mixed.slot)
),
cost AS (
    SELECT course.slot, mixed.cost
    FROM course
    JOIN mixed USING (slot, people)
    UNION ALL
    SELECT course.slot,
        course.people / proof.largest * (proof.denominator + proof.prices[1])
        + coalesce(proof.weights[course.people % proof.largest], 0)
    FROM course
    JOIN proof USING (slot)
    WHERE cardinality(proof.capacities) = 1
),
proven AS MATERIALIZED (
    SELECT proof.slot, ceil(
        (
            (SELECT sum(cost.cost) FROM cost WHERE cost.slot = proof.slot)
            - (SELECT sum(size.rooms * size.price) FROM size WHERE size.slot = proof.slot)
        )::numeric / proof.denominator
    ) AS rooms
    FROM proof
)
SELECT 'bound_not_proven' AS violation, course.slot, '' AS subject
FROM (SELECT DISTINCT slot FROM course) AS course
LEFT JOIN proof USING (slot)
LEFT JOIN proven USING (slot)
WHERE proof.slot IS NULL
    OR proof.slot IN (SELECT slot FROM unsound)
    OR proof.rooms_bound > proof.rooms
    -- What weights cannot prove, a solver did: that one room fewer is impossible.
    OR proven.rooms < proof.rooms_bound - (proof.proof_kind = 'solver')::integer
UNION ALL
-- With rooms of several sizes that is for an office to waive, in the act of publishing.
SELECT 'more_rooms_than_bound', slot, rooms || '>' || rooms_bound
FROM proof
WHERE rooms > rooms_bound AND cardinality(capacities) = 1
UNION ALL
SELECT 'rooms_miscounted', proof.slot, proof.rooms || '<>' || used.rooms
FROM proof
LEFT JOIN used USING (slot)
WHERE proof.rooms IS DISTINCT FROM used.rooms
UNION ALL
SELECT 'packs_miscounted', proof.slot, proof.packs || '<>' || used.packs
FROM proof
LEFT JOIN used USING (slot)
WHERE proof.packs IS DISTINCT FROM used.packs
ORDER BY 1, 2, 3;
