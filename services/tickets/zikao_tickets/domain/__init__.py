"""Rules of the tickets service: pure, no clock, no I/O."""
