"""Gives the seats of an order back, once the platform has closed it."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.order_states import TRANSITIONS, OrderEvent
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.store import OrderMove, SeatChange, Store

WORKER = "expiry"


async def release_order(store: Store, order_id: UUID, now: datetime) -> Order | None:
    """Release a closing order; one in another state is left as it is.

    The platform must have said that it takes no money for it any more (DOMAIN section 4).
    Returns the order as it stands, None when there is none.
    """
    order = await store.lock_order(order_id)
    after = TRANSITIONS.get((order.state, OrderEvent.CLOSE)) if order else None
    if order is None or after is None:
        return order
    await store.delete_sittings(order)
    keys = sorted(SeatKey(order.county_code, slot) for slot in order.slots)
    await store.lock_seats(order.session_code, keys)
    await store.change_seats(
        order.session_code, dict.fromkeys(keys, SeatChange(held=-1, confirmed=0))
    )
    await store.update_order(order_id, after, order.county_code, now)
    move = OrderMove(order_id, order.state, after, OrderEvent.CLOSE, WORKER)
    await store.insert_moves([move], now)
    return replace(order, state=after)
