"""Names of the service that several of its parts need."""

PACKAGE = "zikao_enrollment"
SCHEMA = "enrollment"
# The feed of registration's candidates, as the cursor of its consumer knows it.
CANDIDATES_FEED = "registration.candidates"
