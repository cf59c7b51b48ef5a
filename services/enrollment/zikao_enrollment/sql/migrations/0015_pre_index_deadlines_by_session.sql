-- The next release of a session that is quiet was looked for among the holds of all others.
CREATE INDEX enrollment_order_by_session_deadline
    ON enrollment.enrollment_order (session_code, held_until)
    WHERE state IN ('held', 'paying', 'closing');
DROP INDEX enrollment.enrollment_order_by_deadline;
