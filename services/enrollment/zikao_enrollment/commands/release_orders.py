"""Gives the seats of orders back, once the platform takes no money for them any more."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.expire_orders import EXPIRY
from zikao_enrollment.domain.allocation import SeatChange
from zikao_enrollment.domain.order_states import TRANSITIONS, OrderAction, OrderState
from zikao_enrollment.domain.orders import Order, OrderEvent, seat_changes
from zikao_enrollment.store import Store

NO_LONGER_HELD = SeatChange(held=-1, confirmed=0)


async def release_orders(store: Store, order_ids: Iterable[UUID], now: datetime) -> None:
    """Release those that are closing, and leave those that are not as they are.

    The platform must have closed them, or never have heard of them (DOMAIN section 4). Locks
    orders, then candidates, then seats.
    """
    closing = [
        order
        for order in await store.orders.lock(order_ids)
        if (order.state, OrderAction.CLOSE) in TRANSITIONS
    ]
    if not closing:
        return
    await store.candidates.lock({order.candidate_id for order in closing})
    await store.seats.delete_sittings(order.order_id for order in closing)
    for session_code in sorted({order.session_code for order in closing}):
        theirs = [order for order in closing if order.session_code == session_code]
        await _give_back(store, session_code, theirs)
    await store.orders.update_all((order.order_id for order in closing), OrderState.RELEASED)
    events = [
        OrderEvent(order.order_id, order.state, OrderState.RELEASED, OrderAction.CLOSE, EXPIRY)
        for order in closing
    ]
    await store.orders.insert_events(events, now)


async def _give_back(store: Store, session_code: str, orders: Sequence[Order]) -> None:
    people = [order.candidate_id for order in orders]
    await store.seats.delete_empty_enrollments(session_code, people)
    changes = seat_changes(orders, NO_LONGER_HELD)
    await store.seats.lock(session_code, changes)
    await store.seats.change(session_code, changes)
