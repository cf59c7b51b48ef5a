-- Money of which an officer has proposed something is settled meanwhile.
CREATE INDEX difference_unresolved ON enrollment.difference (next_attempt_at)
    WHERE state <> 'resolved';
DROP INDEX enrollment.difference_unsettled;
