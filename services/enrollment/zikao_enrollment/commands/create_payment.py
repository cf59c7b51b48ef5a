"""Opens the payment of an order: before and after the platform is asked.

Nothing is locked while the platform works. The order is `paying` before it hears of it, so
that expiry knows which orders the platform may have.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.order_states import OrderEvent, OrderState, next_state
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.store import OrderMove, Store


async def begin_payment(store: Store, order_id: UUID, candidate_id: UUID, now: datetime) -> Order:
    """Mark an order of the candidate as `paying`; return it, with its code if it has one.

    Raises DomainError NOT_FOUND (also for somebody else's), STATE_NOT_ALLOWED, HOLD_EXPIRED.
    """
    order = await _payable(store, order_id, candidate_id, now)
    after = next_state(order.state, OrderEvent.OPEN_PAYMENT)
    if order.state is not after:
        await store.update_order(order_id, after, order.county_code, now)
        actor = str(candidate_id)
        move = OrderMove(order_id, order.state, after, OrderEvent.OPEN_PAYMENT, actor)
        await store.insert_moves([move], now)
    return replace(order, state=after)


async def finish_payment(
    store: Store, order_id: UUID, candidate_id: UUID, payment_code: str, now: datetime
) -> Order:
    """Store the code that the platform gave; return the order to pay.

    Raises as `begin_payment`: the hold may have ended meanwhile.
    """
    order = await _payable(store, order_id, candidate_id, now)
    await store.save_payment_code(order_id, payment_code, now)
    return replace(order, payment_code=payment_code)


async def _payable(store: Store, order_id: UUID, candidate_id: UUID, now: datetime) -> Order:
    order = await store.lock_order(order_id)
    if order is None or order.candidate_id != candidate_id:
        raise DomainError("NOT_FOUND")
    if order.state in (OrderState.CLOSING, OrderState.RELEASED) or (
        order.is_holding and now >= order.held_until
    ):
        raise DomainError("HOLD_EXPIRED", held_until=order.held_until.isoformat())
    next_state(order.state, OrderEvent.OPEN_PAYMENT)
    return order
