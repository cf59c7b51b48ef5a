-- The roster: confirmed orders by county. Held ones are not in the index, so taking seats pays
-- nothing for it.
CREATE INDEX enrollment_order_confirmed
    ON enrollment.enrollment_order (session_code, county_code, candidate_id)
    WHERE state = 'confirmed';
