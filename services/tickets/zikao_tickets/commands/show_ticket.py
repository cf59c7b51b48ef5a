"""A candidate looks at the own ticket, and at what was changed (DOMAIN section 5)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_tickets.domain.session import Session
from zikao_tickets.domain.versions import ShownTicket
from zikao_tickets.stores.tickets import TicketStore
from zikao_tickets.stores.versions import VersionStore


async def show_ticket(
    tickets: TicketStore,
    versions: VersionStore,
    session: Session,
    candidate_id: UUID,
    now: datetime,
) -> ShownTicket:
    """The version in force; raises DomainError PRINTING_CLOSED too early, TICKET_UNAVAILABLE."""
    session.require_printing_begun(now)
    ticket = await tickets.ticket(session.code, candidate_id)
    if ticket is None:
        raise DomainError("TICKET_UNAVAILABLE")
    known = await versions.of_candidate(session.code, candidate_id)
    (about,) = (each for each in known if each.version == ticket.version)
    replaced = await versions.replaced(session.code, candidate_id, ticket.version)
    return ShownTicket(ticket, about, replaced)
