"""Gives the seats of orders back, once the platform takes no money for them any more."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.expire_orders import EXPIRY
from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.domain.order_states import TRANSITIONS, OrderAction, next_state
from zikao_enrollment.domain.orders import Move, Order
from zikao_enrollment.store import Store


async def release_orders(store: Store, order_ids: Iterable[UUID], now: datetime) -> None:
    """Release those that are closing, and leave those that are not as they are.

    The platform must have closed them, or never have heard of them (DOMAIN section 4). Locks
    orders, then candidates, then seats.
    """
    moves = [
        _released(order)
        for order in await store.orders.lock(order_ids)
        if (order.state, OrderAction.CLOSE) in TRANSITIONS
    ]
    if not moves:
        return
    await store.payment_orders.close_of(move.after.order_id for move in moves)
    await store.candidates.lock({move.after.candidate_id for move in moves})
    for session_code in sorted({move.after.session_code for move in moves}):
        theirs = [move for move in moves if move.after.session_code == session_code]
        await store_moves(store, session_code, theirs, now, ledger_is_locked=False)


def _released(order: Order) -> Move:
    action = OrderAction.CLOSE
    after = order.on(state=next_state(order.state, action))
    return Move(order, after, action, EXPIRY)
