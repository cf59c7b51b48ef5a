"""Begins to close the orders whose hold has ended."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from zikao_enrollment.domain.order_states import OrderAction, OrderState
from zikao_enrollment.domain.orders import OrderEvent
from zikao_enrollment.store import Store

EXPIRY = "expiry"
# Whoever has begun to close orders has so long before another takes them over.
CLOSING_LEASE = timedelta(seconds=10)


async def expire_orders(
    store: Store, state: OrderState, now: datetime, limit: int
) -> Sequence[UUID]:
    """Move at most `limit` overdue orders from `state` to `closing`; return their ids.

    No two workers get the same one until CLOSING_LEASE has passed. Their seats stay held until
    `release_orders`: those that were `paying` have to be closed at the platform first (DOMAIN
    section 4).
    """
    expired = await store.orders.expire(state, now, CLOSING_LEASE, limit)
    if expired:
        events = [
            OrderEvent(order_id, state, OrderState.CLOSING, OrderAction.EXPIRE, EXPIRY)
            for order_id in expired
        ]
        await store.orders.insert_events(events, now)
    return expired
