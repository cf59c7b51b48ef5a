"""Begins to close the orders whose hold has ended."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.order_states import OrderEvent, OrderState
from zikao_enrollment.store import OrderMove, Store

EXPIRY = "expiry"


async def expire_orders(store: Store, now: datetime, limit: int) -> Mapping[UUID, OrderState]:
    """Move at most `limit` overdue orders to `closing`; no two workers get the same one.

    Returns their states before. Their seats stay held until `release_orders`: for those that
    were `paying` the platform has to close them first.
    """
    expired = await store.expire_orders(now, limit)
    if expired:
        moves = [
            OrderMove(order_id, state, OrderState.CLOSING, OrderEvent.EXPIRE, EXPIRY)
            for order_id, state in expired.items()
        ]
        await store.insert_moves(moves, now)
    return expired
