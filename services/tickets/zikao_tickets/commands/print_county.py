"""All tickets of a county, part by part; a reader that was cut off goes on (DOMAIN section 5)."""

from collections.abc import Sequence

from zikao_kit.errors import DomainError

from zikao_tickets.domain.ticket import Ticket
from zikao_tickets.rendering import MAX_SHEETS_PER_PART
from zikao_tickets.stores.tickets import TicketStore


async def next_tickets(
    store: TicketStore, session_code: str, county_code: str, after_ticket_number: str
) -> Sequence[Ticket]:
    """The next tickets that make one part, by ticket number; none at the end.

    A part fits a gRPC message (4 MiB by default): a photo has at most 200 KiB (DOMAIN
    section 3). Raises DomainError TICKET_UNAVAILABLE when the county has no tickets at all.
    """
    tickets = await store.county_tickets(
        session_code, county_code, after_ticket_number, MAX_SHEETS_PER_PART
    )
    if not tickets and (await store.county_progress(session_code, county_code, ""))[1] == 0:
        raise DomainError("TICKET_UNAVAILABLE")
    return tickets
