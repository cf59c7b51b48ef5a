"""Settles a payment that has arrived: it confirms its order, or it is owed back."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.domain.allocation import Claim, Granted, SeatKey, allocate, seat_keys
from zikao_enrollment.domain.board import AppliedSession
from zikao_enrollment.domain.money import Disposition, Payment, disposition
from zikao_enrollment.domain.order_states import OrderEvent, OrderState, next_state
from zikao_enrollment.domain.orders import ACTIVE, Order
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import OrderMove, SeatChange, Store

PLATFORM = "payment-platform"


async def settle_payment(
    store: Store,
    sessions: Mapping[str, AppliedSession],
    payment: Payment,
    refund_id: UUID,
    now: datetime,
) -> Order | None:
    """Store a payment with what becomes of it; one that has come before changes nothing.

    Returns the order as it stands, or None when the platform names one that does not exist
    (its money goes back). `refund_id` is used when the money goes back. Locks the order, then
    the candidate, then seats. Raises UNAVAILABLE when word of the same payment came just now
    for another order.
    """
    order = await store.lock_order(payment.order_id)
    if await store.payment_exists(payment.payment_id):
        return order
    confirmed = await _confirm(store, sessions, order, payment, now) if order else None
    stored = await store.insert_payment(payment, applied=confirmed is not None, now=now)
    if confirmed is None:
        if stored:
            await store.insert_refund(refund_id, payment, now)
        return order
    if not stored:  # the platform used one payment id for two orders: this one is not paid
        raise DomainError(UNAVAILABLE)
    await store.publish_enrollment(confirmed)
    return confirmed


async def _confirm(
    store: Store,
    sessions: Mapping[str, AppliedSession],
    order: Order,
    payment: Payment,
    now: datetime,
) -> Order | None:
    """The order confirmed by this payment, or None when the money has to go back."""
    match disposition(order.state, order.fee_fen, payment.amount_fen):
        case Disposition.APPLY:
            await store.lock_candidates([order.candidate_id])
            await _move_seats(store, order, SeatChange(held=-1, confirmed=1))
            return await _store_confirmed(store, order, order, OrderEvent.PAY, now)
        case Disposition.RECLAIM:
            placed = await _seat_again(store, sessions[order.session_code].session, order)
            if placed is None:
                return None
            return await _store_confirmed(store, order, placed, OrderEvent.RECLAIM, now)
        case _:
            return None


async def _move_seats(store: Store, order: Order, change: SeatChange) -> None:
    keys = sorted(SeatKey(order.county_code, slot) for slot in order.slots)
    await store.lock_seats(order.session_code, keys)
    await store.change_seats(order.session_code, dict.fromkeys(keys, change))


async def _seat_again(store: Store, session: Session, order: Order) -> Order | None:
    """Take the seats of a released order again: the same, or where the plan lets it move."""
    ids = [order.candidate_id]
    candidate = (await store.lock_candidates(ids)).get(order.candidate_id)
    if candidate is None or candidate.standing != ACTIVE or not _is_offered(session, order):
        return None
    plan = (await store.list_plans(session.code, ids)).get(order.candidate_id)
    others = plan.choice.county_codes if plan and plan.may_move else ()
    counties = tuple(dict.fromkeys((order.county_code, *others)))
    claim = Claim(str(order.candidate_id), order.slots, counties)
    holdings = await store.list_holdings(session.code, ids)
    free = await store.lock_seats(session.code, seat_keys([claim]))
    (decision,) = allocate([claim], free, holdings, session.max_courses)
    if not isinstance(decision, Granted):
        return None
    placed = replace(order, county_code=decision.county_code)
    await store.insert_sittings([placed])
    await _move_seats(store, placed, SeatChange(held=0, confirmed=1))
    return placed


def _is_offered(session: Session, order: Order) -> bool:
    """Whether its courses are where they were: nobody's hold has kept them there."""
    offered = {(course.code, course.slot) for course in session.courses.values()}
    return offered.issuperset((each.course_code, each.slot) for each in order.courses)


async def _store_confirmed(
    store: Store, before: Order, placed: Order, event: OrderEvent, now: datetime
) -> Order:
    after = replace(placed, state=next_state(before.state, event))
    await store.update_order(after.order_id, after.state, after.county_code, now)
    move = OrderMove(after.order_id, before.state, OrderState.CONFIRMED, event, PLATFORM)
    await store.insert_moves([move], now)
    return after
