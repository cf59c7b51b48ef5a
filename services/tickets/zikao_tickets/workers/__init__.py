"""Background work of the tickets service."""
