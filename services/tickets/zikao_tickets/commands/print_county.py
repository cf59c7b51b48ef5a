"""All tickets of a county, part by part; a reader that was cut off goes on (DOMAIN section 5)."""

from collections.abc import Sequence

from zikao_kit.errors import DomainError

from zikao_tickets.domain.ticket import Ticket
from zikao_tickets.rendering import MAX_SHEETS_PER_BATCH
from zikao_tickets.ticket_store import TicketStore

# A part must fit a gRPC message (4 MiB by default); the photos are most of it.
MAX_PHOTO_BYTES_PER_PART = 2 * 1024 * 1024


async def next_tickets(
    store: TicketStore, session_code: str, county_code: str, after_ticket_number: str
) -> Sequence[Ticket]:
    """The next tickets that fit one part, by ticket number; none at the end.

    Raises DomainError TICKET_UNAVAILABLE when the county has no tickets at all.
    """
    tickets = await store.county_tickets(
        session_code, county_code, after_ticket_number, MAX_SHEETS_PER_BATCH
    )
    if not tickets and (await store.county_progress(session_code, county_code, ""))[1] == 0:
        raise DomainError("TICKET_UNAVAILABLE")
    return _fitting(tickets)


def _fitting(tickets: Sequence[Ticket]) -> Sequence[Ticket]:
    size = 0
    for count, ticket in enumerate(tickets):
        size += len(ticket.jpeg or b"")
        if size > MAX_PHOTO_BYTES_PER_PART and count:
            return tickets[:count]
    return tickets
