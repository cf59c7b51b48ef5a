-- How many versions an officer has issued since yesterday is asked before each.

CREATE INDEX ticket_by_officer ON tickets.ticket (issued_by, issued_at) WHERE issued_by <> '';
