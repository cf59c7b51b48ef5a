"""Opens the payment of an order: before and after the platform is asked.

Nothing is locked while the platform works. The order is `paying` before it hears of it, so
that expiry knows which orders the platform may have.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.domain.order_states import OrderAction, next_state
from zikao_enrollment.domain.orders import Move, Order
from zikao_enrollment.store import Store


async def begin_payment(store: Store, order_id: UUID, candidate_id: UUID, now: datetime) -> Order:
    """Mark an order of the candidate as `paying`; return it, with its code if it has one.

    Raises DomainError NOT_FOUND (also for somebody else's), STATE_NOT_ALLOWED, HOLD_EXPIRED.
    """
    order = await _payable(store, order_id, candidate_id, now)
    action = OrderAction.OPEN_PAYMENT
    after = next_state(order.state, action)
    if order.state is not after:
        paying = replace(order, state=after)
        move = Move(order, paying, action, str(candidate_id))
        await store_moves(store, order.session_code, [move], now)
        return paying
    return order


async def finish_payment(
    store: Store, order_id: UUID, candidate_id: UUID, payment_code: str, now: datetime
) -> None:
    """Store the code that the platform gave.

    Raises as `begin_payment`: the hold may have ended meanwhile.
    """
    await _payable(store, order_id, candidate_id, now)
    await store.orders.save_payment_code(order_id, payment_code)


async def _payable(store: Store, order_id: UUID, candidate_id: UUID, now: datetime) -> Order:
    order = await store.orders.lock_one(order_id)
    if order is None or order.candidate_id != candidate_id:
        raise DomainError(NOT_FOUND)
    order.require_hold(now)
    next_state(order.state, OrderAction.OPEN_PAYMENT)
    return order
