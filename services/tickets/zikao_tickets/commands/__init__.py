"""Use cases of the tickets service, one module each."""
