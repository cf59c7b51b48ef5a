"""The work of an arrangement: find the seats and store them."""

import asyncio
from uuid import UUID

from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError

from zikao_tickets.domain.arrangement import arrange
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.states import ArrangementState
from zikao_tickets.store import ArrangementStore


async def run_arrangement(store: ArrangementStore, arrangement_id: UUID, keys: KeyRing) -> None:
    """Seat every sitting of the county, or say in Chinese why it cannot be done.

    The row is locked and its state looked at again: of two workers that took it (one seemed
    dead), the second finds it done.
    """
    plan = await store.lock(arrangement_id)
    if plan is None or plan.state is not ArrangementState.RUNNING:
        return
    sittings = await store.sittings(plan.session_code, plan.county_code)
    rooms = await store.rooms(plan.session_code, plan.county_code)
    seed = keys.decrypt(plan.seed_enc, seed_context(arrangement_id))
    try:
        # A big county takes a second: not on the event loop.
        seats = await asyncio.to_thread(arrange, plan.county_code, sittings, rooms, seed)
    except DomainError as error:
        await store.fail(arrangement_id, _failure(error))
        return
    await store.replace_seats(arrangement_id, plan.session_code, seats)
    await store.finish(
        arrangement_id,
        candidates=len({seat.candidate_id for seat in seats}),
        sittings=len(seats),
        rooms=len({(seat.slot, seat.site_code, seat.room_code) for seat in seats}),
    )


def _failure(error: DomainError) -> str:
    return "第{slot}场需要{needed}个考场，仅有{available}个".format_map(error.metadata)
