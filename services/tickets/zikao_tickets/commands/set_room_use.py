"""An office uses a room otherwise (DOMAIN section 5)."""

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.domain.rooms import RoomUse, SetRoomUse
from zikao_tickets.stores.sites import SiteStore


async def set_room_use(store: SiteStore, order: Order) -> Effect:
    """Use a room of the proposal's county otherwise; who sits there by now still does.

    Those find another seat with the next arrangement. One officer is enough while nobody does.
    Raises DomainError NOT_FOUND.
    """
    session_code, county_code, act = order.proposal
    assert isinstance(act, SetRoomUse)
    room = await store.lock_room(session_code, county_code, act.site_code, act.room_code)
    if room is None:
        raise DomainError(NOT_FOUND)
    if not order.dry_run:
        await store.set_room_use(session_code, act)
    return Effect(
        before=_told(act, room.use, room.reason),
        after={**_told(act, act.use, act.reason), "sittings": room.sittings},
        needs_second=room.sittings > 0,
    )


def _told(act: SetRoomUse, use: RoomUse, reason: str) -> dict[str, str]:
    return {"site": act.site_code, "room": act.room_code, "use": use, "reason": reason}
