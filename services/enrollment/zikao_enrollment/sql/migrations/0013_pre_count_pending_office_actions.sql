-- An officer has a bounded number of acts that wait for another one.
CREATE INDEX office_action_pending ON enrollment.office_action (proposed_by, expires_at)
    WHERE state = 'pending';
