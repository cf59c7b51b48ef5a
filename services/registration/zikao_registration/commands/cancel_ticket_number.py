"""Cancel an older ticket number that nobody has activated (DOMAIN section 3, Ticket number)."""

from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.find_held_numbers import find_held_number
from zikao_registration.domain.older_imports import NumberStatus
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def cancel_ticket_number(
    store: Store, older: OlderStore, number: str, reason: str, *, actor: Actor, now: datetime
) -> None:
    """Cancel it, for ever.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, TICKET_NUMBER_ENDED, TICKET_NUMBER_IN_USE.
    """
    held = await find_held_number(store, older, number, for_update=True)
    actor.require_scope(held.county_code)
    if held.has_ended:
        raise DomainError("TICKET_NUMBER_ENDED")
    if held.stored.status is not NumberStatus.OLDER:
        raise DomainError("TICKET_NUMBER_IN_USE")
    await older.cancel([number], reason, now)
    await store.audit(
        actor,
        "cancel_ticket_number",
        now,
        before={number: held.stored.status},
        after={number: NumberStatus.CANCELLED, "reason": reason},
        county_code=held.county_code,
    )
