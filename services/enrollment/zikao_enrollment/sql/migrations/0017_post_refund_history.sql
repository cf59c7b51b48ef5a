-- Whoever moves a refund while this looks would be missed: wait for them, and let them wait.
LOCK TABLE enrollment.refund IN SHARE ROW EXCLUSIVE MODE;

-- What processes of the version before have done to refunds since they have a history.
INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at)
SELECT refund_id, NULL, 'requested', 'request', 'payment-platform', requested_at
FROM enrollment.refund
WHERE NOT EXISTS (
    SELECT FROM enrollment.refund_event WHERE refund_event.refund_id = refund.refund_id
);
INSERT INTO enrollment.refund_event (refund_id, from_state, to_state, action, actor, at, refusal)
SELECT refund.refund_id, last.to_state, refund.state,
    CASE refund.state WHEN 'refunded' THEN 'refund' ELSE 'refuse' END, 'payment-platform',
    coalesce(refund.refunded_at, greatest(refund.requested_at, last.at)), refund.refusal
FROM enrollment.refund
CROSS JOIN LATERAL (
    SELECT to_state, at
    FROM enrollment.refund_event
    WHERE refund_event.refund_id = refund.refund_id
    ORDER BY event_id DESC
    LIMIT 1
) AS last
WHERE refund.state <> last.to_state AND refund.state <> 'requested';
