"""Stand-ins for the outside world: the payment platform, and made-up pictures of people."""
