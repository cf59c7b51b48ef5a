"""Registration: accounts, candidate registrations, their review, and ticket numbers."""
