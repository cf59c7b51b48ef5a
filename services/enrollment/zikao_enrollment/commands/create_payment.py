"""Opens the payment of an order: before and after the platform is asked.

Nothing is locked while the platform works. The order is `paying` before it hears of it, so
that expiry knows which orders the platform may have.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.commands.withdraw_order import lock_own
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.domain.order_states import OrderAction, next_state
from zikao_enrollment.domain.orders import Move, Order
from zikao_enrollment.store import Store

# Each costs the platform calls, and us a row that it is asked about for days. Who changes an order
# that is being paid needs another one.
MAX_ATTEMPTS = 20


async def begin_payment(
    store: Store, attempt: PaymentOrder, candidate_id: UUID, now: datetime, first_query: timedelta
) -> tuple[Order, PaymentOrder]:
    """Mark an order of the candidate as `paying`; return it with its open payment order.

    That is the one which is open already, with its code if it has one, or `attempt` with the
    order's fee, about which the platform is asked after `first_query`. Raises DomainError
    NOT_FOUND (also for somebody else's), STATE_NOT_ALLOWED, HOLD_EXPIRED, and
    TOO_MANY_PAYMENT_ATTEMPTS for one more than MAX_ATTEMPTS of a candidate and session.
    """
    order = await _payable(store, attempt.order_id, candidate_id, now)
    found = (await store.payment_orders.list_open([order.order_id])).get(order.order_id)
    if found is None:
        if await store.payment_orders.count_of(order.session_code, candidate_id) >= MAX_ATTEMPTS:
            raise DomainError("TOO_MANY_PAYMENT_ATTEMPTS", limit=MAX_ATTEMPTS)
        found = replace(attempt, amount_fen=order.fee_fen)
        await store.payment_orders.open(found, now, first_query)
    action = OrderAction.OPEN_PAYMENT
    paying = order.on(state=next_state(order.state, action))
    if paying.state is not order.state:
        move = Move(order, paying, action, str(candidate_id))
        await store_moves(store, order.session_code, [move], now)
    return paying, found


async def finish_payment(
    store: Store, opened: PaymentOrder, candidate_id: UUID, payment_code: str, now: datetime
) -> None:
    """Store the code that the platform gave.

    Raises as `begin_payment`: the hold may have ended meanwhile; and UNAVAILABLE when the payment
    was withdrawn, or paid wrongly: another is opened the next time.
    """
    await _payable(store, opened.order_id, candidate_id, now)
    if not await store.payment_orders.save_code(opened.payment_order_id, payment_code):
        raise DomainError(UNAVAILABLE)


async def _payable(store: Store, order_id: UUID, candidate_id: UUID, now: datetime) -> Order:
    order = await lock_own(store, order_id, candidate_id)
    order.require_hold(now)
    next_state(order.state, OrderAction.OPEN_PAYMENT)
    return order
