"""Gives the seats of orders back, once the platform takes no money for them any more."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.expire_orders import EXPIRY
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.order_states import TRANSITIONS, OrderEvent, OrderState
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.store import OrderMove, SeatChange, Store


async def release_orders(store: Store, order_ids: Iterable[UUID], now: datetime) -> Sequence[Order]:
    """Release those that are closing, and leave those that are not as they are.

    The platform must have closed them, or never have heard of them (DOMAIN section 4). Returns
    the orders that were released. Locks orders, then candidates, then seats.
    """
    closing = [
        order
        for order in await store.lock_orders(order_ids)
        if (order.state, OrderEvent.CLOSE) in TRANSITIONS
    ]
    if not closing:
        return []
    await store.lock_candidates({order.candidate_id for order in closing})
    await store.delete_sittings(closing)
    for session_code in sorted({order.session_code for order in closing}):
        await _give_back(store, session_code, closing)
    await store.update_orders([order.order_id for order in closing], OrderState.RELEASED, now)
    moves = [
        OrderMove(order.order_id, order.state, OrderState.RELEASED, OrderEvent.CLOSE, EXPIRY)
        for order in closing
    ]
    await store.insert_moves(moves, now)
    return closing


async def _give_back(store: Store, session_code: str, orders: Iterable[Order]) -> None:
    held = Counter(
        SeatKey(order.county_code, slot)
        for order in orders
        if order.session_code == session_code
        for slot in order.slots
    )
    await store.lock_seats(session_code, sorted(held))
    changes = {key: SeatChange(held=-count, confirmed=0) for key, count in held.items()}
    await store.change_seats(session_code, changes)
