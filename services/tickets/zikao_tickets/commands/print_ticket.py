"""A candidate's ticket as PDF (DOMAIN section 5, Printing)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import REQUEST_ID_REUSED, UNAVAILABLE, DomainError

from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import PHOTO_PENDING, PrintedTickets, Refusal, Ticket
from zikao_tickets.page import sheet_of
from zikao_tickets.printing import TicketSheet
from zikao_tickets.proof import key_id_of
from zikao_tickets.rendering import RenderPool
from zikao_tickets.signing import ProofSigner
from zikao_tickets.stores.tickets import TicketStore

AGAIN_AFTER = timedelta(seconds=1)
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
    store: TicketStore,
    session_code: str,
    printed: PrintedTickets,
    *,
    actor: str,
    now: datetime,
    as_of_before: bool = False,
) -> None:
    """Fix what was printed first, log the prints, list for the office what was not printed.

    Raises DomainError UNAVAILABLE when a page is not what counts any more, as `require_current`.
    """
    await require_current(store, session_code, printed.tickets, as_of_before=as_of_before)
    await store.save_first_prints(session_code, printed.tickets)
    await store.log_prints(session_code, printed.tickets, actor, now)
    await store.clear_unprintable(session_code, printed.tickets)
    for ticket, refusal in printed.refused:
        await store.note_unprintable(session_code, ticket, refusal, now)


async def require_current(
    store: TicketStore, session_code: str, tickets: Sequence[Ticket], *, as_of_before: bool
) -> None:
    """What was drawn is what is kept of each version, or may be; it stays so until the end.

    While pages are drawn, somebody else may print the version with another name, photo or picture,
    the key may be retired, and the version revoked: which is nothing to those who print
    `as_of_before`. Raises DomainError UNAVAILABLE then: printing again draws what counts.
    """
    keys = await store.share_keys(tickets)
    kept = await store.lock_versions(session_code, tickets)
    for ticket in tickets:
        drawn, version = ticket.first_print, kept[ticket.candidate_id]
        is_same = (
            version.first_print.is_shown(drawn)
            if version.first_print
            else key_id_of(drawn.proof) in keys
        )
        if not is_same or (version.is_revoked and not as_of_before):
            raise DomainError(UNAVAILABLE, retry_after=AGAIN_AFTER)


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
