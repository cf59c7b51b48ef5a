"""Make several ticket numbers of one person one (DOMAIN section 3, Ticket number)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.admit_older import take_photo
from zikao_registration.commands.find_held_numbers import find_held_numbers
from zikao_registration.domain.held_numbers import HeldNumber, StoredNumber
from zikao_registration.domain.older_records import Photo
from zikao_registration.domain.registration import Registration
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def merge_ticket_numbers(
    store: Store,
    older: OlderStore,
    keep: str,
    cancel: Sequence[str],
    reason: str,
    *,
    actor: Actor,
    now: datetime,
) -> list[StoredNumber]:
    """Keep one number and cancel the others; return all, the kept one first.

    The candidate whose current number is cancelled has the kept one from now on. Raises
    DomainError NOT_FOUND, OUT_OF_SCOPE, RECORD_INCOMPLETE, DIFFERENT_PERSONS,
    TICKET_NUMBER_ENDED, UNAVAILABLE when one was activated at this moment.
    """
    wanted = [keep, *cancel]
    held = await find_held_numbers(store, older, wanted, for_update=True)
    for number in held.values():
        actor.require_scope(number.county_code)
    owner = _owner_of(held)
    photo = next(iter((await older.get_photos(wanted)).values()), None)
    await older.cancel(cancel, reason, now)
    if owner:
        await older.bind(dict.fromkeys(cancel, owner.candidate_id), now)
        await _change_candidate(store, older, owner, keep, photo=photo, now=now)
    elif photo and not held[keep].has_photo:
        await _keep_photo(older, held[keep].stored, photo, now)
    await store.audit(
        actor,
        "merge_ticket_numbers",
        now,
        *([owner.candidate_id] if owner else []),
        before={number: each.stored.status for number, each in held.items()},
        after={"kept": keep, "cancelled": list(cancel), "reason": reason},
        county_code=held[keep].county_code,
    )
    after = await older.get_numbers(wanted)
    return [after[number] for number in wanted]


def _owner_of(held: Mapping[str, HeldNumber]) -> Registration | None:
    """The candidate who has one of the numbers; raises unless all are one person's."""
    first, *others = [each.person for each in held.values()]
    if any(person.document is None for person in (first, *others)):
        raise DomainError("RECORD_INCOMPLETE")
    if not all(first.is_same(other) for other in others):
        raise DomainError("DIFFERENT_PERSONS")
    if any(number.has_ended for number in held.values()):
        raise DomainError("TICKET_NUMBER_ENDED")
    # One person has one account, so there is one at most.
    return next((each.owner for each in held.values() if each.owner), None)


async def _change_candidate(
    store: Store,
    older: OlderStore,
    owner: Registration,
    keep: str,
    *,
    photo: Photo | None,
    now: datetime,
) -> None:
    """Give the candidate the kept number, and a photo to who has none."""
    changed = replace(owner, ticket_number=keep, updated_at=now)
    if photo and not owner.photo_sha256:
        changed = await take_photo(store, changed, photo)
    if changed == replace(owner, updated_at=now):
        return
    if owner.ticket_number != keep:
        await older.activate({keep: owner.candidate_id}, now)
    await store.publish(await store.update_registration(changed))


async def _keep_photo(older: OlderStore, kept: StoredNumber, photo: Photo, now: datetime) -> None:
    """The only photo of a person is not cancelled with its number."""
    if kept.record:
        await older.complete_record(replace(kept.record, photo=photo), now)
