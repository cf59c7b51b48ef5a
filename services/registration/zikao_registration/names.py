"""The names this service goes by."""

PACKAGE = "zikao_registration"
SCHEMA = "registration"
