"""Opens a waiting room, and draws the order of those who are there when its window opens."""

import secrets
from datetime import datetime

from zikao_enrollment.domain.waiting import RoomKey
from zikao_enrollment.stores.waiting import WaitingStore

SECRET_BYTES = 32


async def open_room(store: WaitingStore, key: RoomKey, now: datetime) -> None:
    """Open the room: half of the draw's seed is fixed by it, and its hash public from now on."""
    committed, pass_key = secrets.token_bytes(SECRET_BYTES), secrets.token_bytes(SECRET_BYTES)
    await store.open(key, committed, pass_key, now)


async def draw_room(store: WaitingStore, key: RoomKey, now: datetime) -> int | None:
    """Draw, and return among how many; None where that has been done.

    Those who are coming in just now are waited for. The other half of the seed is made here, with
    the door shut: until now nobody could know whose place is which.
    """
    if not await store.lock_to_draw(key):
        return None
    count = await store.count(key)
    await store.draw(key, secrets.token_bytes(SECRET_BYTES), count, now)
    return count
