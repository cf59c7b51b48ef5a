"""Stand-ins for the outside world: payment platform, SMS gateway and made-up people."""
