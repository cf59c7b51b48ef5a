"""The work of an arrangement: find the seats and store them."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from zikao_kit.crypto import KeyRing

from zikao_tickets.domain.cannot_arrange import CannotArrange
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.rearrangement import rearrange
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import Seat, draw
from zikao_tickets.domain.states import ArrangementState
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.stores.arrangements import ArrangementStore


async def run_arrangement(
    store: ArrangementStore, arrangement_id: UUID, keys: KeyRing, pool: SolvePool
) -> None:
    """Seat every sitting of the county, or say in Chinese why it cannot be done.

    The row is locked and its state looked at again: of two workers that took it (one seemed
    dead), the second finds it done.
    """
    plan = await store.lock(arrangement_id)
    if plan is None or plan.state is not ArrangementState.RUNNING:
        return
    county = (plan.session_code, plan.county_code)
    await store.hold_rooms(plan.session_code)
    sittings = await store.sittings(*county)
    rooms = await store.rooms(*county)
    in_force = await store.in_force(*county)
    published = await store.seats(in_force) if in_force else []
    seed = keys.decrypt(plan.seed_enc, seed_context(arrangement_id))
    try:
        seats = await _seats(sittings, rooms, seed, published, pool)
    except CannotArrange as cannot:
        await store.fail(arrangement_id, cannot.in_words())
        return
    await store.replace_seats(arrangement_id, plan.session_code, seats)
    await store.finish(arrangement_id, seats, in_force)


async def _seats(
    sittings: Sequence[Sitting],
    rooms: Sequence[Room],
    seed: bytes,
    published: Sequence[Seat],
    pool: SolvePool,
) -> list[Seat]:
    # What goes over all of a big county takes a second: not on the event loop.
    if published:
        normal = [room for room in rooms if room.use is RoomUse.NORMAL]
        return await asyncio.to_thread(rearrange, sittings, normal, seed, published)
    if not sittings:
        return []
    roster = await asyncio.to_thread(Roster.of, sittings)
    plan = await pool.plan(roster, rooms)
    return await asyncio.to_thread(draw, plan, roster, seed)
