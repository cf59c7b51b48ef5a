"""A candidate's ticket as PDF (DOMAIN section 5, Printing)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import REQUEST_ID_REUSED, DomainError

from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import PHOTO_PENDING, PrintedTickets, Refusal, Ticket
from zikao_tickets.page import sheet_of
from zikao_tickets.printing import TicketSheet
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.tickets import TicketStore

WAITING = Refusal(PHOTO_PENDING)


async def find_ticket(
    store: TicketStore, session: Session, candidate_id: UUID, now: datetime
) -> Ticket:
    """The ticket the candidate may print now.

    Raises DomainError PRINTING_CLOSED, NOTICE_NOT_ACKNOWLEDGED, TICKET_UNAVAILABLE.
    """
    session.require_printing(now)
    if not await store.has_acknowledged(session.code, candidate_id, session.notice.version):
        raise DomainError("NOTICE_NOT_ACKNOWLEDGED")
    ticket = await store.ticket(session.code, candidate_id)
    if ticket is None:
        raise DomainError("TICKET_UNAVAILABLE")
    return ticket


async def print_ticket(
    pool: RenderPool, signer: ProofSigner, session: Session, ticket: Ticket
) -> PrintedTickets:
    """Sign and render a candidate's ticket; it may be refused.

    Takes no transaction: rendering holds a core for as long as it takes.
    """
    if ticket.jpeg is None:
        return PrintedTickets(b"", [], [(ticket, WAITING)])
    proven, sheet = signed(signer, session, ticket, ticket.jpeg)
    printed = await pool.render(sheet)
    (refusal,) = printed.refusals
    if refusal:
        return PrintedTickets(b"", [], [(proven, refusal)])
    return PrintedTickets(printed.pdf, [proven], [])


def signed(
    signer: ProofSigner, session: Session, ticket: Ticket, jpeg: bytes
) -> tuple[Ticket, TicketSheet]:
    """The ticket with its proof, and as it is printed."""
    proof = signer.sign(ticket, session.code, jpeg)
    return replace(ticket, proof=proof), sheet_of(ticket, session, jpeg, proof)


async def record_prints(
    store: TicketStore, session_code: str, printed: PrintedTickets, *, actor: str, now: datetime
) -> None:
    """Fix what was printed first, log the prints, list for the office what was not printed."""
    await store.save_first_prints(session_code, printed.tickets)
    await store.log_prints(session_code, printed.tickets, actor, now)
    await store.clear_unprintable(session_code, printed.tickets)
    for ticket, refusal in printed.refused:
        await store.note_unprintable(session_code, ticket, refusal, now)


def require_same_version(answered: int, ticket: Ticket) -> None:
    """Raise DomainError REQUEST_ID_REUSED when the request printed an older version.

    Its answer is a revoked ticket now, and a print of the new one would not be logged.
    """
    if answered != ticket.version:
        raise DomainError(REQUEST_ID_REUSED)


def require_printed(printed: PrintedTickets) -> Ticket:
    """The one ticket; raises DomainError with why it was refused."""
    for _, refusal in printed.refused:
        raise refusal.to_error()
    (ticket,) = printed.tickets
    return ticket
