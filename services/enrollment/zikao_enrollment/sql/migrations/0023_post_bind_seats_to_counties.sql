-- Nobody writes sittings any more, and whoever writes orders says who has what by them.
DROP TRIGGER enrollment_order_binds ON enrollment.enrollment_order;
DROP TRIGGER enrollment_order_binds_changed ON enrollment.enrollment_order;
DROP FUNCTION enrollment.bind_candidates();
DROP TRIGGER sitting_ignored ON enrollment.sitting;
DROP FUNCTION enrollment.ignore_sitting();

ALTER TABLE enrollment.enrollment
    ALTER COLUMN slot_set DROP DEFAULT,
    ALTER COLUMN sittings DROP DEFAULT,
    ADD CONSTRAINT enrollment_of_something CHECK (sittings > 0);
