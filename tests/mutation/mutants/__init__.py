"""All mutants, by what they endanger."""

from __future__ import annotations

from mutation.mutant import Mutant
from mutation.mutants.audits import AUDITS
from mutation.mutants.doors import DOORS
from mutation.mutants.feeds import FEEDS
from mutation.mutants.money import MONEY
from mutation.mutants.overload import OVERLOAD
from mutation.mutants.people import PEOPLE
from mutation.mutants.requests import REQUESTS
from mutation.mutants.room import WAITING_ROOM
from mutation.mutants.seats import SEATS
from mutation.mutants.tickets import TICKETS
from mutation.mutants.transport import TRANSPORT

GROUPS: dict[str, tuple[Mutant, ...]] = {
    "Seats": SEATS,
    "Waiting room": WAITING_ROOM,
    "Overload": OVERLOAD,
    "Requests and answers": REQUESTS,
    "Feeds": FEEDS,
    "Money": MONEY,
    "Logins, reviews and numbers": PEOPLE,
    "Rooms, draws and tickets": TICKETS,
    "Permissions": DOORS,
    "Audit": AUDITS,
    "Connections": TRANSPORT,
}
MUTANTS: tuple[Mutant, ...] = tuple(mutant for group in GROUPS.values() for mutant in group)
