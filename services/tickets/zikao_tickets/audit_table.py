"""Where the service has its audit, for whoever checks its chain."""

from zikao_kit.audit_reading import Table

from zikao_tickets.names import SCHEMA

AUDIT = Table(SCHEMA, "office_audit", "session_code", "county_prefix")
