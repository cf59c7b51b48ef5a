"""Background work of the registration service."""
