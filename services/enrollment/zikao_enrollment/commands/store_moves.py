"""Stores what has become of orders: their rows, their seats, the ledger, their history."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.order_states import OrderAction
from zikao_enrollment.domain.orders import Move, Order, ledger_changes
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
    after = {move.after.order_id: move.after for move in moves}
    before = {move.after.order_id: move.before for move in reversed(moves)}
    if known := [order for order_id, order in after.items() if before[order_id] is not None]:
        await store.orders.update(known)
        await _seat(store, session_code, before, known)
    if new := [order for order_id, order in after.items() if before[order_id] is None]:
        await store.orders.insert_held(new, OrderAction.SUBMIT)
    if later := [move.event for move in moves if move.before is not None]:
        await store.orders.insert_events(later, now)
    if changes := ledger_changes(moves):
        if not ledger_is_locked:
            await store.seats.lock(session_code, changes)
        await store.seats.change(session_code, changes)


async def _seat(
    store: Store,
    session_code: str,
    before: dict[UUID, Order | None],
    after: Sequence[Order],
) -> None:
    """Let orders leave the seats that they have no more, and take those that they have now."""
    moved = [each for each in after if not each.has_seats_of(before[each.order_id])]
    left = [
        known for each in moved if (known := before[each.order_id]) is not None and known.is_seated
    ]
    if left:
        await store.seats.delete_sittings(order.order_id for order in left)
        people = sorted({order.candidate_id for order in left})
        await store.seats.delete_empty_enrollments(session_code, people)
    if taken := [order for order in moved if order.is_seated]:
        await store.seats.insert_enrollments(session_code, taken)
        await store.seats.insert_sittings(session_code, taken)
