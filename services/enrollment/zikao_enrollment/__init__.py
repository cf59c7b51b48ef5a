"""Enrollment: seats for courses, held and paid (DOMAIN section 4)."""
