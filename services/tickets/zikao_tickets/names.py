"""Names of the service: its package and schema, and the feeds it follows."""

PACKAGE = "zikao_tickets"
SCHEMA = "tickets"
CANDIDATES = "registration.candidates"
ENROLLMENTS = "enrollment.enrollments"
