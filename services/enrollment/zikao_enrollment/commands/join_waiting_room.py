"""Gives candidates their places in a waiting room, each one (docs/waiting-room.md)."""

from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.waiting import PlaceRow, RoomKey
from zikao_enrollment.stores.waiting import WaitingStore


async def join_room(
    store: WaitingStore,
    key: RoomKey,
    candidates: Sequence[UUID],
    has_lapsed: Callable[[PlaceRow], bool],
    now: datetime,
    *,
    is_drawn: bool,
) -> list[PlaceRow]:
    """Let candidates in, the first come first; their places, the old ones of who had some.

    Before the draw all are alike. Later each gets the next number behind all others, also who
    has let a turn pass. The room must be there; that it `is_drawn` is known, else looked at.
    """
    if not is_drawn and not await store.is_drawn(key):
        await store.add(key, candidates, now)
        return [PlaceRow(candidate, True, None) for candidate in candidates]
    given = await store.lock_late(key)
    known = await store.places(key, candidates)
    new = [each for each in candidates if each not in known or has_lapsed(known[each])]
    if new:
        numbers = {candidate: given + place for place, candidate in enumerate(new, 1)}
        await store.give_late_numbers(key, numbers, now)
        known |= await store.places(key, new)
    return [known[candidate] for candidate in candidates]
