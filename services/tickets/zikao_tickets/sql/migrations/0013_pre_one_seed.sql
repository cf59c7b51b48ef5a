-- One seed for all that is started on the same arrangement in force: whoever starts again draws the same.

ALTER TABLE tickets.arrangement
    ADD COLUMN seeded_on uuid REFERENCES tickets.arrangement (arrangement_id),
    ADD COLUMN fixes_seed boolean NOT NULL DEFAULT false;
COMMENT ON TABLE tickets.arrangement IS
    'Arrangements of counties; requested_at and leased_until go by the database''s clock,
    attempts counts the leases that were taken, publish_attempts the tries since it was approved,
    seeded_on is the arrangement that was in force when it was started, whose next seed it has;
    the one that fixes_seed was the first to have it,
    based_on is the arrangement that was in force when it was made,
    roster_sha256 is of who sits what, seats_sha256 of who sits where';
CREATE UNIQUE INDEX arrangement_seed ON tickets.arrangement
    (session_code, county_code, seeded_on) NULLS NOT DISTINCT WHERE fixes_seed;

-- What was started before has a seed of its own; it goes on if what is in force is as it was.
UPDATE tickets.arrangement
SET seeded_on = CASE
    WHEN state IN ('pending', 'running') THEN (
        SELECT in_force.arrangement_id
        FROM tickets.arrangement AS in_force
        WHERE in_force.session_code = arrangement.session_code
            AND in_force.county_code = arrangement.county_code
            AND in_force.state = 'published'
    )
    ELSE based_on
END;
