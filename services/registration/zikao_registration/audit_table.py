"""Where the service has its audit, for whoever checks its chain."""

from zikao_kit.audit_reading import Table

from zikao_registration.names import SCHEMA

AUDIT = Table(SCHEMA, "audit", "candidate_id::text", "county_code")
