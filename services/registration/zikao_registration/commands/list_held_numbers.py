"""What an office sees of ticket numbers: those of a person, and records that wait."""

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.commands.find_held_numbers import find_held_number, find_held_numbers
from zikao_registration.domain.held_numbers import HeldNumber, StoredNumber
from zikao_registration.domain.older_imports import RecordFilter
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def list_ticket_numbers(
    store: Store,
    older: OlderStore,
    number: str,
    after: str,
    limit: int,
    *,
    actor: Actor,
    now: datetime,
) -> Sequence[StoredNumber]:
    """Numbers of the person who has one, by number, those after another.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE.
    """
    held = await find_held_number(store, older, number)
    actor.require_scope(held.county_code)
    subjects = [held.owner.candidate_id] if held.owner else []
    said = {"ticket_number": number}
    await store.audit(
        actor, "list_ticket_numbers", now, *subjects, after=said, county_code=held.county_code
    )
    return await older.list_numbers_of_person(held.stored, after, limit)


async def list_older_records(
    store: Store,
    older: OlderStore,
    code_prefix: str,
    filter_by: RecordFilter,
    *,
    after: str,
    limit: int,
    actor: Actor,
) -> Sequence[HeldNumber]:
    """Records of an area that wait for something; raises DomainError OUT_OF_SCOPE."""
    actor.require_scope(code_prefix)
    numbers = await older.list_records(code_prefix, filter_by, after, limit)
    return list((await find_held_numbers(store, older, numbers)).values())
