"""Begins to close the orders whose hold has ended."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.order_states import OrderEvent, OrderState
from zikao_enrollment.store import OrderMove, Store

EXPIRY = "expiry"


async def expire_orders(
    store: Store, state: OrderState, now: datetime, limit: int
) -> Sequence[UUID]:
    """Move at most `limit` overdue orders from `state` to `closing`; return their ids.

    No two workers get the same one. Their seats stay held until `release_orders`: those that
    were `paying` have to be closed at the platform first (DOMAIN section 4).
    """
    expired = await store.expire_orders(state, now, limit)
    if expired:
        moves = [
            OrderMove(order_id, state, OrderState.CLOSING, OrderEvent.EXPIRE, EXPIRY)
            for order_id in expired
        ]
        await store.insert_moves(moves, now)
    return expired
