"""Reads who is enrolled, part by part, each by itself: no transaction waits for a reader."""

from zikao_enrollment.domain.rosters import RosterFilter, RosterPage, RosterPlace
from zikao_enrollment.stores.rosters import RosterStore

PAGE_SIZE = 500


async def begin_roster(store: RosterStore, wanted: RosterFilter, cursor: str) -> RosterPlace:
    """The place of a cursor, or the beginning; raises DomainError INVALID_REQUEST."""
    if cursor:
        return RosterPlace.parse(cursor, wanted)
    return RosterPlace.before_all(wanted, *await store.beginning())


async def read_roster(
    store: RosterStore, place: RosterPlace, page_size: int = PAGE_SIZE
) -> RosterPage:
    """The entries after a place; empty at the end."""
    entries = await store.list_page(place, page_size)
    return RosterPage(entries, place.after(entries), len(entries) == page_size)
