"""An older candidate's record in full: an audited view (DOMAIN section 7)."""

from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.commands.complete_older_record import find_imported
from zikao_registration.domain.held_numbers import HeldNumber
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def view_older_record(
    store: Store, older: OlderStore, number: str, *, actor: Actor, now: datetime
) -> tuple[HeldNumber, bytes]:
    """The record and its photo, empty without one; raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    held = await find_imported(store, older, number, actor=actor)
    await store.audit(
        actor,
        "view_older_record",
        now,
        *([held.owner.candidate_id] if held.owner else []),
        after={"ticket_number": number},
        county_code=held.county_code,
    )
    if held.owner:
        photos = await store.get_photos([held.owner.candidate_id])
        return held, photos.get(held.owner.candidate_id, b"")
    photo = (await older.get_photos([number])).get(number)
    return held, photo.jpeg if photo else b""
