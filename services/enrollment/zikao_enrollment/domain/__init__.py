"""The rules of enrollment: pure functions and values, no clock, no I/O."""
