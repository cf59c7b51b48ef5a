"""`zikao audit-log`: the chains of the services' audits, checked and taken elsewhere."""
