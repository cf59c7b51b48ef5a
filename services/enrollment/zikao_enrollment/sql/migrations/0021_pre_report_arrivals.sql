-- Who came, and how long they took, is told by room; nothing of it outlives a few seconds.
DROP TABLE enrollment.waiting_report;
CREATE UNLOGGED TABLE enrollment.waiting_report (
    process_id uuid NOT NULL,
    session_code text NOT NULL,
    track text NOT NULL,
    finished bigint NOT NULL,
    shed bigint NOT NULL,
    wait_seconds double precision NOT NULL,
    standing boolean NOT NULL,
    came bigint NOT NULL,
    came_seconds double precision NOT NULL,
    reported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (process_id, session_code, track)
);
COMMENT ON TABLE enrollment.waiting_report IS
    'What a process has done since it started, for whoever decides how many a room admits: all its submissions, and those admitted by the room who came, with the time they took';
