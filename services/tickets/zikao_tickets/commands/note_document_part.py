"""What is noted of a part once it is made: where it ends, and the prints, each once."""

import hashlib
from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_tickets.commands.find_document import still_there
from zikao_tickets.commands.print_ticket import record_prints
from zikao_tickets.commands.read_contents import Contents
from zikao_tickets.document_jobs import MadePart
from zikao_tickets.domain.documents import Document, DocumentKind, DocumentPart, LeftOut
from zikao_tickets.domain.ticket import PrintedTickets
from zikao_tickets.stores.document_items import DocumentItemStore
from zikao_tickets.stores.documents import DocumentStore
from zikao_tickets.stores.tickets import TicketStore


def part_of(made: MadePart, contents: Contents, before: DocumentPart | None) -> DocumentPart:
    """The part as it is noted, after the one `before` it."""
    refused = [
        *((ticket, refusal.reason) for ticket, refusal in contents.waiting),
        *(
            (ticket, refusal.reason)
            for ticket, refusal in zip(contents.tickets, made.refusals, strict=False)
            if refusal
        ),
    ]
    return DocumentPart(
        number=before.number + 1 if before else 0,
        first=contents.first,
        last=contents.last,
        done=(before.done if before else 0) + contents.items,
        pages=made.pages,
        size=len(made.content),
        sha256=hashlib.sha256(made.content).digest(),
        growth=made.growth,
        left_out=tuple(LeftOut(ticket.ticket_number, reason) for ticket, reason in refused),
    )


async def note_document_part(
    store: DocumentStore,
    items: DocumentItemStore,
    document: Document,
    part: DocumentPart,
) -> bool:
    """Keep the part; False when it was kept before, by whoever made it first.

    Raises DomainError NOT_FOUND, DOCUMENT_CANCELLED, and DOCUMENT_EXPIRED when it is not the same.
    """
    locked = still_there(await store.lock(document.document_id))
    county = document.session_code, document.county_code
    locked.require_alive(await items.arrangement_in_force(*county))
    kept = await store.part(document.document_id, part.number)
    if kept is None:
        await store.insert_part(document.document_id, part)
    elif (kept.sha256, kept.last) != (part.sha256, part.last):
        raise DomainError("DOCUMENT_EXPIRED")
    return kept is None


async def note_prints(
    store: TicketStore,
    document: Document,
    contents: Contents,
    made: MadePart,
    *,
    actor: str,
    now: datetime,
) -> None:
    """Fix what was printed first, log the prints, list for the office what was not printed.

    Raises DomainError UNAVAILABLE when the part is to be made again.
    """
    if document.kind is not DocumentKind.TICKETS:
        return
    outcomes = list(zip(contents.tickets, made.refusals, strict=True))
    printed = PrintedTickets(
        pdf=b"",
        tickets=[ticket for ticket, refusal in outcomes if refusal is None],
        refused=[*contents.waiting, *((ticket, no) for ticket, no in outcomes if no)],
    )
    await record_prints(
        store, document.session_code, printed, actor=actor, now=now, as_of_before=True
    )
