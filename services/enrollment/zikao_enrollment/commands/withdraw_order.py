"""What has to be done with an order's open payment before the order may change or be given up.

Nothing is locked while the platform closes it: there is a beginning and an end.
"""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_enrollment.commands.expire_orders import CLOSING_LEASE
from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.domain.order_states import OrderAction, OrderState, next_state
from zikao_enrollment.domain.orders import Move, Order
from zikao_enrollment.store import Store


async def begin_cancelling(
    store: Store, order_id: UUID, candidate_id: UUID, now: datetime
) -> tuple[bool, PaymentOrder | None]:
    """Let an order that is being paid be `closing`: whether it is, and what is to be closed.

    Nobody else closes it until CLOSING_LEASE has passed. Raises DomainError NOT_FOUND, also for
    somebody else's order.
    """
    order = await lock_own(store, order_id, candidate_id)
    if order.state is not OrderState.PAYING:
        return False, None
    action = OrderAction.CANCEL
    closing = order.on(state=next_state(order.state, action))
    await store.orders.begin_closing(order_id, CLOSING_LEASE)
    move = Move(order, closing, action, str(candidate_id))
    await store.orders.insert_events([move.event], now)
    return True, await _open_payment(store, order)


async def begin_withdrawing(
    store: Store, order_id: UUID, candidate_id: UUID, now: datetime
) -> tuple[Order, PaymentOrder | None]:
    """An order that is to change, and what has to be closed at the platform before.

    One that is being paid without an open payment (a wrong amount has used it up) is `held` at
    once. Raises DomainError NOT_FOUND, also for somebody else's order.
    """
    order = await lock_own(store, order_id, candidate_id)
    if order.state is not OrderState.PAYING:
        return order, None
    opened = await _open_payment(store, order)
    if opened is None:
        await _withdraw(store, order, now)
    else:
        # Should the end never come: a code that the platform has closed must not be given again.
        await store.payment_orders.hasten_query(opened.payment_order_id, CLOSING_LEASE)
    return order, opened


async def finish_withdrawing(store: Store, closed: PaymentOrder, now: datetime) -> None:
    """Let an order be `held` again once the platform has closed its payment.

    Not when it was paid meanwhile, or when another payment has been opened.
    """
    order = await store.orders.lock_one(closed.order_id)
    await store.payment_orders.close([closed.payment_order_id])
    if order is None or order.state is not OrderState.PAYING:
        return
    if await _open_payment(store, order) is None:
        await _withdraw(store, order, now)


async def lock_own(store: Store, order_id: UUID, candidate_id: UUID) -> Order:
    """The order, locked; raises DomainError NOT_FOUND, also for somebody else's."""
    order = await store.orders.lock_one(order_id)
    if order is None or order.candidate_id != candidate_id:
        raise DomainError(NOT_FOUND)
    return order


async def _withdraw(store: Store, order: Order, now: datetime) -> None:
    action = OrderAction.WITHDRAW_PAYMENT
    held = order.on(state=next_state(order.state, action))
    move = Move(order, held, action, str(order.candidate_id))
    await store_moves(store, order.session_code, [move], now)


async def _open_payment(store: Store, order: Order) -> PaymentOrder | None:
    return (await store.payment_orders.list_open([order.order_id])).get(order.order_id)
