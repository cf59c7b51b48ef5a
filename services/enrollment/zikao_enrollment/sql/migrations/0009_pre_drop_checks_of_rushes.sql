-- Each of these asked for another row per row of a rush, and guarded what nothing breaks: orders
-- and sessions are never deleted, and who inserts an event or a sitting has just inserted or
-- locked its order. That every order has its seats and its history is for the auditor to see.
-- What keeps anybody from sitting twice in a slot or in two counties, and a seat from being
-- sold twice, stays: primary keys, sitting_county, seat_ledger_never_oversold.
ALTER TABLE enrollment.order_event DROP CONSTRAINT order_event_order_id_fkey;
ALTER TABLE enrollment.sitting DROP CONSTRAINT sitting_order_id_fkey;
ALTER TABLE enrollment.enrollment_order DROP CONSTRAINT enrollment_order_session_code_fkey;
