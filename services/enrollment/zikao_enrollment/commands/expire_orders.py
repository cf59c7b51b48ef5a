"""Begins to close the orders whose hold has ended."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.release_order import WORKER
from zikao_enrollment.domain.order_states import OrderEvent, OrderState
from zikao_enrollment.store import OrderMove, Store


async def expire_orders(store: Store, now: datetime, limit: int) -> Collection[UUID]:
    """Move at most `limit` overdue orders to `closing`; no two workers get the same one.

    Their seats stay held until the platform has closed each order (`release_order`).
    """
    expired = await store.expire_orders(now, limit)
    if expired:
        moves = [
            OrderMove(order_id, state, OrderState.CLOSING, OrderEvent.EXPIRE, WORKER)
            for order_id, state in expired.items()
        ]
        await store.insert_moves(moves, now)
    return expired.keys()
