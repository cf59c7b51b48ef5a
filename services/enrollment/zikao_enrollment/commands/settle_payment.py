"""Settles a payment that has arrived: it confirms its order, or it is owed back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.domain.allocation import Allocation, Claim, Granted, seat_keys
from zikao_enrollment.domain.board import AppliedSession
from zikao_enrollment.domain.closings import Closings, closing_error
from zikao_enrollment.domain.money import Disposition, Payment, disposition, flag_of
from zikao_enrollment.domain.order_states import OrderAction, next_state
from zikao_enrollment.domain.orders import ACTIVE, Move, Order, ledger_changes
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import Store

PLATFORM = "payment-platform"


async def settle_payment(
    store: Store,
    sessions: Mapping[str, AppliedSession],
    payment: Payment,
    refund_id: UUID,
    now: datetime,
) -> None:
    """Store a payment with what becomes of it; one that has come before changes nothing.

    The money goes back, as `refund_id`, when it confirms no order, also when the platform names
    one that does not exist. Locks the order, then the candidate, then seats. Raises
    PAYMENT_CONTRADICTS, also when word of it with another order or amount comes at the same time.
    """
    order = await store.orders.lock_one(payment.order_id)
    if await _is_known(store, payment):
        return
    confirmed = await _confirm(store, sessions, order, payment, now) if order else None
    flag = flag_of(order, payment.amount_fen)
    applied = confirmed is not None
    if not await store.money.insert_payment(payment, applied=applied, flag=flag, now=now):
        # It came at the same time, not for this order, whose row is locked: for another, or
        # again for one that does not exist.
        await _is_known(store, payment)
        return
    if confirmed is None:
        await store.money.insert_refund(refund_id, payment, now)
        return
    courses = await store.seats.list_confirmed_courses(
        confirmed.session_code, confirmed.candidate_id
    )
    await store.orders.append_to_feed(confirmed, courses)


async def _is_known(store: Store, payment: Payment) -> bool:
    """Whether word of it has come before; raises PAYMENT_CONTRADICTS when it was another."""
    known = await store.money.find_payment(payment.payment_id)
    if known is None:
        return False
    payment.require_same(known)
    return True


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
            await store.candidates.lock([order.candidate_id])
            return await _store_confirmed(store, order, order, OrderAction.PAY, now)
        case Disposition.RECLAIM:
            placed = await _seat_again(store, sessions[order.session_code].session, order)
            if placed is None:
                return None
            moved = placed.county_code != order.county_code
            action = OrderAction.MOVE if moved else OrderAction.RECLAIM
            return await _store_confirmed(store, order, placed, action, now)
        case _:
            return None


async def _seat_again(store: Store, session: Session, order: Order) -> Order | None:
    """Take the seats of a released order again: the same, or where the plan lets it move."""
    ids = [order.candidate_id]
    candidate = (await store.candidates.lock(ids)).get(order.candidate_id)
    if candidate is None or candidate.standing != ACTIVE or not _is_offered(session, order):
        return None
    plan = (await store.candidates.list_plans(session.code, ids)).get(order.candidate_id)
    others = plan.choice.county_codes if plan and plan.may_move else ()
    counties = tuple(dict.fromkeys((order.county_code, *others)))
    claim = Claim(str(order.candidate_id), order.slots, counties)
    holdings = await store.seats.list_holdings(session.code, ids)
    free = await store.seats.lock(session.code, seat_keys([claim]))
    # Read under the seats' locks: who closes something locks all seats first.
    closings = (await store.sessions.closings([session.code])).get(session.code, {})
    claim = replace(claim, county_codes=_open(closings, counties, order))
    decision = Allocation(free, holdings, session.rules).decide(claim)
    if not isinstance(decision, Granted):
        return None
    return replace(order, county_code=decision.county_code)


def _open(closings: Closings, counties: Sequence[str], order: Order) -> tuple[str, ...]:
    """The counties that offices have not closed for an order's courses."""
    codes = [each.course_code for each in order.courses]
    return tuple(each for each in counties if closing_error(closings, each, codes) is None)


def _is_offered(session: Session, order: Order) -> bool:
    """Whether its courses are where they were: nobody's hold has kept them there."""
    offered = {(course.code, course.slot) for course in session.courses}
    return offered.issuperset((each.course_code, each.slot) for each in order.courses)


async def _store_confirmed(
    store: Store, before: Order, placed: Order, action: OrderAction, now: datetime
) -> Order:
    after = replace(placed, state=next_state(before.state, action))
    move = Move(before, after, action, PLATFORM)
    await store.seats.lock(after.session_code, ledger_changes([move]))
    await store_moves(store, after.session_code, [move], now)
    return after
