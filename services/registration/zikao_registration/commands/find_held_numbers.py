"""Find ticket numbers, and whose they are."""

from collections.abc import Collection, Mapping
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, UNAVAILABLE, DomainError

from zikao_registration.domain.held_numbers import HeldNumber, StoredNumber
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def find_held_numbers(
    store: Store, older: OlderStore, numbers: Collection[str], *, for_update: bool = False
) -> dict[str, HeldNumber]:
    """Every one of the numbers; locked, candidates come first, as in every transaction.

    Raises DomainError NOT_FOUND, UNAVAILABLE when one was activated at this moment.
    """
    stored = await _all_of(older, numbers, for_update=False)
    candidate_ids = _owners(stored)
    owners = {
        each: await store.get_registration(each, for_update=for_update) for each in candidate_ids
    }
    if for_update:
        stored = await _all_of(older, numbers, for_update=True)
        if _owners(stored) != candidate_ids:
            raise DomainError(UNAVAILABLE)
    return {
        name: HeldNumber(each, owners[each.candidate_id] if each.candidate_id else None)
        for name, each in stored.items()
    }


async def find_held_number(
    store: Store, older: OlderStore, number: str, *, for_update: bool = False
) -> HeldNumber:
    """One of them."""
    return (await find_held_numbers(store, older, [number], for_update=for_update))[number]


async def _all_of(
    older: OlderStore, numbers: Collection[str], *, for_update: bool
) -> Mapping[str, StoredNumber]:
    found = await older.get_numbers(numbers, for_update=for_update)
    if set(numbers) - found.keys():
        raise DomainError(NOT_FOUND)
    return found


def _owners(stored: Mapping[str, StoredNumber]) -> list[UUID]:
    return sorted({each.candidate_id for each in stored.values() if each.candidate_id})
