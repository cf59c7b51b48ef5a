"""What every method that hands out a ticket has in common."""

from datetime import datetime

from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_tickets.commands.print_ticket import print_ticket, record_prints
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.ticket import PrintedTickets, Ticket
from zikao_tickets.parts import Parts


async def print_surely(
    parts: Parts, session: Session, ticket: Ticket, now: datetime
) -> PrintedTickets:
    """Print a ticket; a refusal is on the office's list before it is said."""
    printed = await print_ticket(parts.pool, parts.signer, session, ticket)
    if printed.refused:
        async with parts.db.transaction() as tx:
            await record(parts, tx, session, printed, now)
    return printed


async def record(
    parts: Parts, tx: Transaction, session: Session, printed: PrintedTickets, now: datetime
) -> int:
    """Fix and log what was printed; how often the first of it has been handed out by now."""
    store, actor = parts.tickets(tx), current_actor().subject
    await record_prints(store, session.code, printed, actor=actor, now=now)
    if not printed.tickets:
        return 0
    return await store.count_prints(session.code, printed.tickets[0])
