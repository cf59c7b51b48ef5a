-- Of the county $1, or of all whose code begins with $2; each other filter may be NULL.
-- name: list_queue
SELECT candidate.candidate_id, candidate.queued_at
FROM registration.candidate
WHERE ($1::text IS NULL OR candidate.county_code = $1)
    AND ($2::text IS NULL OR pg_catalog.starts_with(candidate.county_code, $2))
    AND ($3::text IS NULL OR candidate.session_code = $3)
    AND ($4::text[] IS NULL OR candidate.state = ANY ($4))
    AND ($5::timestamptz IS NULL OR candidate.submitted_at >= $5)
    AND ($6::timestamptz IS NULL OR candidate.submitted_at < $6)
    AND ($7::boolean IS NULL OR candidate.has_material = $7)
    -- Nobody's, somebody's, or the officer's ($9) at $10.
    AND CASE $8::text
        WHEN 'free' THEN candidate.leased_until IS NULL OR candidate.leased_until <= $10
        WHEN 'leased' THEN candidate.leased_until > $10
        WHEN 'mine' THEN candidate.leased_by = $9::uuid AND candidate.leased_until > $10
        ELSE true
    END
    AND ($11::text IS NULL OR $11 = ANY ((
        SELECT decision.reasons
        FROM registration.decision
        WHERE decision.candidate_id = candidate.candidate_id AND NOT decision.needs_confirmation
        ORDER BY decision.decision_id DESC
        LIMIT 1
    )::text[]))
    -- Also by a number that has ended, or was merged into another.
    AND ($12::text IS NULL OR candidate.candidate_id = (
        SELECT ticket_number.candidate_id
        FROM registration.ticket_number
        WHERE ticket_number.ticket_number = $12
    ))
    AND ($13::bytea IS NULL OR candidate.candidate_id = (
        SELECT account.account_id FROM registration.account WHERE account.document_index = $13
    ))
    AND candidate.queued_at <= $14
    AND (
        $15::timestamptz IS NULL
        OR (candidate.queued_at, candidate.candidate_id) > ($15, $16::uuid)
    )
ORDER BY candidate.queued_at, candidate.candidate_id
LIMIT $17;

-- Of the county $2, or of all whose code begins with $3; ages at $4.
-- name: count_registrations
SELECT county_code,
    count(*) FILTER (WHERE state = 'draft') AS drafts,
    count(*) FILTER (WHERE waits) AS pending,
    count(*) FILTER (WHERE state = 'pending_confirmation') AS awaiting_confirmation,
    count(*) FILTER (WHERE state = 'approved') AS approved,
    count(*) FILTER (WHERE state = 'rejected') AS rejected,
    count(*) FILTER (WHERE state = 'abandoned') AS abandoned,
    count(*) FILTER (WHERE waits AND age < interval '1 hour') AS under_1_hour,
    count(*) FILTER (WHERE waits AND age < interval '4 hours') AS under_4_hours,
    count(*) FILTER (WHERE waits AND age < interval '24 hours') AS under_24_hours,
    min(submitted_at) FILTER (WHERE waits) AS oldest_submitted_at
FROM (
    SELECT candidate.county_code, candidate.state, candidate.submitted_at,
        candidate.state IN ('pending_review', 'pending_confirmation') AS waits,
        $4::timestamptz - candidate.submitted_at AS age
    FROM registration.candidate
    WHERE candidate.session_code = $1
        AND candidate.county_code <> ''
        AND ($2::text IS NULL OR candidate.county_code = $2)
        AND ($3::text IS NULL OR pg_catalog.starts_with(candidate.county_code, $3))
) AS standing
GROUP BY county_code
ORDER BY county_code;

-- By whole hours before $4, from $5 on.
-- name: count_decisions
SELECT county_code, hours_ago,
    count(*) FILTER (WHERE approved) AS approved,
    count(*) FILTER (WHERE NOT approved) AS rejected
FROM (
    SELECT decision.county_code, decision.approved,
        floor(extract(epoch FROM $4::timestamptz - decision.decided_at) / 3600)::integer AS hours_ago
    FROM registration.decision
    WHERE decision.session_code = $1
        AND ($2::text IS NULL OR decision.county_code = $2)
        AND ($3::text IS NULL OR pg_catalog.starts_with(decision.county_code, $3))
        AND decision.decided_at > $5
        AND decision.decided_at <= $4
        AND NOT decision.needs_confirmation
) AS made
GROUP BY county_code, hours_ago
ORDER BY county_code, hours_ago;

-- name: measure_decisions
SELECT county_code,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY took) AS median,
    percentile_cont(0.9) WITHIN GROUP (ORDER BY took) AS p90
FROM (
    SELECT decision.county_code, decision.decided_at - decision.submitted_at AS took
    FROM registration.decision
    WHERE decision.session_code = $1
        AND ($2::text IS NULL OR decision.county_code = $2)
        AND ($3::text IS NULL OR pg_catalog.starts_with(decision.county_code, $3))
        AND decision.decided_at > $5
        AND decision.decided_at <= $4
        AND NOT decision.needs_confirmation
) AS made
GROUP BY county_code;
