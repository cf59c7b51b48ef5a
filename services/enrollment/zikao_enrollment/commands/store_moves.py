"""Stores what has become of orders: their rows, their seats, the ledger, their history."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.order_states import OrderAction
from zikao_enrollment.domain.orders import Move, Order, ledger_changes, shares
from zikao_enrollment.store import Store


async def store_moves(
    store: Store,
    session_code: str,
    moves: Sequence[Move],
    now: datetime,
    *,
    ledger_is_locked: bool = True,
) -> None:
    """Store moves of orders of one session, in the order in which they were made.

    The caller has locked the orders, their candidates, then the ledger rows whose counts change;
    or, if those decide nothing, leaves them to be locked here, last: everybody wants them.
    """
    await store_orders(store, session_code, moves, now)
    if changes := ledger_changes(moves):
        if not ledger_is_locked:
            await store.seats.lock(session_code, changes)
        await store.seats.change(session_code, changes)


async def store_orders(
    store: Store, session_code: str, moves: Sequence[Move], now: datetime
) -> None:
    """Store all of moves but how the ledger changes by them."""
    after = {move.after.order_id: move.after for move in moves}
    before = {move.after.order_id: move.before for move in reversed(moves)}
    await store.orders.update(list(after.values()))
    changed = {o.candidate_id for o in after.values() if o.seats != before[o.order_id].seats}
    if changed:
        await store.seats.bind(session_code, sorted(changed))
    await store.orders.insert_events([move.event for move in moves], now)


async def store_new_orders(store: Store, orders: Sequence[Order], seated: Collection[UUID]) -> None:
    """Store orders that were just made, of one session, all but how the ledger changes by them.

    The candidates are locked; `seated` are those who had seats when they were.
    """
    bound = set(seated)
    for part in _one_a_candidate(orders):
        await store.orders.insert_held(shares(part), OrderAction.SUBMIT, bound)
        bound.update(order.candidate_id for order in part)


def _one_a_candidate(orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
    """The orders in parts in which nobody has two: nearly always they are one."""
    if len({order.candidate_id for order in orders}) == len(orders):
        yield orders
        return
    while orders:
        first: dict[UUID, Order] = {}
        rest = [each for each in orders if first.setdefault(each.candidate_id, each) is not each]
        yield list(first.values())
        orders = rest
