"""Background work of the enrollment service."""
