-- Attempts to publish; what a newer arrangement has taken the place of.

ALTER TABLE tickets.arrangement
    ADD COLUMN publish_attempts integer NOT NULL DEFAULT 0,
    DROP CONSTRAINT arrangement_state,
    ADD CONSTRAINT arrangement_state CHECK (state IN (
        'pending', 'running', 'done', 'approved', 'published', 'superseded', 'failed', 'cancelled',
        'discarded'
    ));
COMMENT ON TABLE tickets.arrangement IS
    'Arrangements of counties; requested_at and leased_until go by the database''s clock,
    attempts counts the leases that were taken, publish_attempts the tries since it was approved,
    based_on is the arrangement that was in force when it was made,
    roster_sha256 is of who sits what, seats_sha256 of who sits where';
CREATE INDEX arrangement_approved_order ON tickets.arrangement
    (publish_attempts, approved_at, county_code) WHERE state = 'approved';
