"""What has to be done at the payment platform before an order may be given up."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.commands.expire_orders import CLOSING_LEASE
from zikao_enrollment.domain.order_states import OrderAction, OrderState, next_state
from zikao_enrollment.domain.orders import Move, Order
from zikao_enrollment.store import Store


async def begin_cancelling(
    store: Store, order_id: UUID, candidate_id: UUID, now: datetime
) -> Order | None:
    """Let an order that is being paid be `closing`; None when the platform need not be told.

    Nobody else closes it until CLOSING_LEASE has passed. Raises DomainError NOT_FOUND, also for
    somebody else's order.
    """
    order = await lock_own(store, order_id, candidate_id)
    if order.state is not OrderState.PAYING:
        return None
    action = OrderAction.CANCEL
    closing = replace(order, state=next_state(order.state, action))
    await store.orders.begin_closing(order_id, CLOSING_LEASE)
    move = Move(order, closing, action, str(candidate_id))
    await store.orders.insert_events([move.event], now)
    return closing


async def lock_own(store: Store, order_id: UUID, candidate_id: UUID) -> Order:
    """The order, locked; raises DomainError NOT_FOUND, also for somebody else's."""
    order = await store.orders.lock_one(order_id)
    if order is None or order.candidate_id != candidate_id:
        raise DomainError(NOT_FOUND)
    return order
