"""Settles payments that have arrived: each confirms its order, or is owed back.

Many in one transaction, as submissions are: a payment each would queue at the rows of a county
that everybody wants.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.batch_desk import Outdated
from zikao_kit.errors import DomainError

from zikao_enrollment.commands.store_moves import store_moves
from zikao_enrollment.domain.allocation import Allocation, Claim, Granted, SeatKey, seat_keys
from zikao_enrollment.domain.board import AppliedSession
from zikao_enrollment.domain.choices import Plan
from zikao_enrollment.domain.closings import closing_error
from zikao_enrollment.domain.money import (
    PLATFORM,
    Disposition,
    Payment,
    Settled,
    disposition,
    flag_of,
)
from zikao_enrollment.domain.order_states import OrderAction, next_state
from zikao_enrollment.domain.orders import ACTIVE, Move, Order, Standing
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import Store


class Word(NamedTuple):
    """Word of a payment, and the id of its refund should it have to go back."""

    payment: Payment
    refund_id: UUID


async def settle_payments(
    store: Store,
    sessions: Mapping[str, AppliedSession],
    words: Sequence[Word],
    now: datetime,
) -> list[DomainError | None]:
    """Store payments with what becomes of them; one that has come before changes nothing.

    The answers are in the order of `words`, whose payments differ: None, or PAYMENT_CONTRADICTS
    for one that came before with another order or amount. Money goes back when it confirms no
    order, also when the platform names one that does not exist. Locks orders, then candidates,
    then seats. Raises Outdated when a session was applied meanwhile, or word of one of the
    payments came: nothing counts then.
    """
    paying = await store.payment_orders.orders_of({w.payment.payment_order_id for w in words})
    orders = {order.order_id: order for order in await store.orders.lock(set(paying.values()))}
    known = await store.money.find_payments(word.payment.payment_id for word in words)
    fresh = [word for word in words if word.payment.payment_id not in known]
    if fresh:
        await _settle_fresh(store, sessions, fresh, _Settling(paying, orders), now)
    return [_contradiction(word.payment, known.get(word.payment.payment_id)) for word in words]


@dataclass
class _Settling:
    """Orders as they are by now, by id, and what payments have done to them.

    `paying` are the orders by payment order, `late` is how seats are taken again by session.
    """

    paying: Mapping[UUID, UUID]
    orders: dict[UUID, Order]
    late: Mapping[str, "_LateSeats"] = field(default_factory=dict)
    moves: list[Move] = field(default_factory=list)

    def order_of(self, payment: Payment) -> Order | None:
        """The order that a payment is for."""
        order_id = self.paying.get(payment.payment_order_id)
        return self.orders.get(order_id) if order_id else None

    def settle(self, word: Word) -> Settled:
        """What becomes of the next payment."""
        order, payment = self.order_of(word.payment), word.payment
        flag = flag_of(order, payment.amount_fen)
        move = self._move(order, payment) if order else None
        if move is not None:
            self.orders[move.after.order_id] = move.after
            self.moves.append(move)
        order_id = order.order_id if order else None
        return Settled(payment, order_id, flag, None if move else word.refund_id)

    def _move(self, order: Order, payment: Payment) -> Move | None:
        match disposition(order.state, order.fee_fen, payment.amount_fen):
            case Disposition.APPLY:
                return _confirmed(order, order.county_code, OrderAction.PAY)
            case Disposition.RECLAIM:
                return self.late[order.session_code].take_again(order)
            case _:
                return None


class _LateSeats:
    """Takes the seats of released orders again: the same, or where the plan lets them move."""

    def __init__(self, allocation: Allocation[UUID], claims: Mapping[UUID, Claim]) -> None:
        self._allocation = allocation
        self._claims = claims

    def take_again(self, order: Order) -> Move | None:
        """The order confirmed with seats, or None when it gets none."""
        claim = self._claims.get(order.order_id)
        decision = self._allocation.decide(order.candidate_id, claim) if claim else None
        if not isinstance(decision, Granted):
            return None
        moved = decision.county_code != order.county_code
        action = OrderAction.MOVE if moved else OrderAction.RECLAIM
        return _confirmed(order, decision.county_code, action)


async def _settle_fresh(
    store: Store,
    sessions: Mapping[str, AppliedSession],
    fresh: Sequence[Word],
    settling: _Settling,
    now: datetime,
) -> None:
    wanted = {
        order.order_id: order
        for word in fresh
        if (order := settling.order_of(word.payment))
        and disposition(order.state, order.fee_fen, word.payment.amount_fen)
        is not Disposition.REFUND
    }
    candidates = await store.candidates.lock({order.candidate_id for order in wanted.values()})
    by_session = _by_session(wanted.values())
    settling.late = {
        code: await _lock_seats(store, sessions.get(code), theirs, candidates)
        for code, theirs in by_session.items()
    }
    settled = [settling.settle(word) for word in fresh]
    for code, moves in _moves_by_session(settling.moves).items():
        await store_moves(store, code, moves, now)
        await _tell(store, code, [move.after for move in moves])
    if not await store.money.insert_payments(settled, now):
        raise Outdated
    await store.payment_orders.close(each.payment.payment_order_id for each in settled)
    if settling.moves:
        await store.payment_orders.ask_now_about(move.after.order_id for move in settling.moves)


async def _lock_seats(
    store: Store,
    applied: AppliedSession | None,
    orders: Sequence[Order],
    candidates: Mapping[UUID, Standing],
) -> _LateSeats:
    """Lock the seats that orders have, and those that late ones may take."""
    if applied is None:
        raise Outdated
    session = applied.session
    late = [order for order in orders if not order.is_seated]
    people = {order.candidate_id for order in late}
    plans = await store.candidates.list_plans(session.code, people) if late else {}
    claims = {
        order.order_id: claim
        for order in late
        if (claim := _claim(session, order, candidates, plans.get(order.candidate_id)))
    }
    holdings = await store.seats.list_holdings(session.code, people) if late else {}
    keys: set[SeatKey] = set(seat_keys(claims.values()))
    keys.update(key for order in orders for key in order.holding.keys if order.is_seated)
    free = await store.seats.lock(session.code, sorted(keys))
    if claims and await store.sessions.version(session.code) != applied.version:
        raise Outdated
    return _LateSeats(Allocation(free, holdings, session.rules), claims)


def _claim(
    session: Session, order: Order, candidates: Mapping[UUID, Standing], plan: Plan | None
) -> Claim | None:
    """What a released order claims; None when it may have no seats any more."""
    candidate = candidates.get(order.candidate_id)
    if candidate is None or candidate.standing != ACTIVE or not _is_offered(session, order):
        return None
    others = plan.choice.county_codes if plan and plan.may_move else ()
    counties = _open(session, dict.fromkeys((order.county_code, *others)), order)
    if not counties:
        return None
    return Claim(order.slots, counties)


def _open(session: Session, counties: Iterable[str], order: Order) -> tuple[str, ...]:
    """The counties that offices have not closed for an order's courses."""
    codes = [each.course_code for each in order.courses]
    closings = session.closings
    return tuple(each for each in counties if closing_error(closings, each, codes) is None)


def _is_offered(session: Session, order: Order) -> bool:
    """Whether its courses are where they were: nobody's hold has kept them there."""
    offered = {(course.code, course.slot) for course in session.courses}
    return offered.issuperset((each.course_code, each.slot) for each in order.courses)


def _confirmed(order: Order, county_code: str, action: OrderAction) -> Move:
    after = order.on(county_code=county_code, state=next_state(order.state, action))
    return Move(order, after, action, PLATFORM)


async def _tell(store: Store, session_code: str, confirmed: Sequence[Order]) -> None:
    """Append what candidates are enrolled for now to the feed."""
    people = {order.candidate_id for order in confirmed}
    courses = await store.seats.list_confirmed_courses(session_code, people)
    told = [(order, courses[order.candidate_id]) for order in confirmed]
    await store.orders.append_to_feed(session_code, told)


def _contradiction(payment: Payment, known: Payment | None) -> DomainError | None:
    try:
        if known is not None:
            payment.require_same(known)
    except DomainError as contradiction:
        return contradiction
    return None


def _by_session(orders: Iterable[Order]) -> dict[str, list[Order]]:
    groups: dict[str, list[Order]] = {}
    for order in sorted(orders, key=lambda order: order.session_code):
        groups.setdefault(order.session_code, []).append(order)
    return groups


def _moves_by_session(moves: Iterable[Move]) -> dict[str, list[Move]]:
    groups: dict[str, list[Move]] = {}
    for move in moves:
        groups.setdefault(move.after.session_code, []).append(move)
    return groups
