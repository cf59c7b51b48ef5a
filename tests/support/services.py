"""The names of the three services, in the order in which a candidate meets them."""

SERVICES = ("registration", "enrollment", "tickets")
