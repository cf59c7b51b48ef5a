"""What candidates want of seats: to take them, to change them, to give them back.

Pure: what a wish claims, whatever is free, and the order that it makes when it is granted.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.allocation import Claim
from zikao_enrollment.domain.choices import Choice, SoundChoice, sound_choice, window_error
from zikao_enrollment.domain.order_states import (
    STATE_NAMES_ZH,
    OrderAction,
    OrderState,
    next_state,
)
from zikao_enrollment.domain.orders import (
    Move,
    NotYetKnown,
    Order,
    Standing,
    Terms,
    courses_in,
)
from zikao_enrollment.domain.timetable import Session, Track


class Submission(NamedTuple):
    """A candidate wants seats: for a choice, or for the saved plan when there is none.

    `admitted_to` is the track whose waiting room has admitted the candidate, if any.
    """

    order_id: UUID
    candidate_id: UUID
    choice: Choice | None = None
    admitted_to: Track | None = None


class Change(NamedTuple):
    """A candidate wants other seats for an order that is not paid."""

    order_id: UUID
    candidate_id: UUID
    choice: Choice


class Cancellation(NamedTuple):
    """A candidate wants an order no more; `closed`: the platform takes no money for it now."""

    order_id: UUID
    candidate_id: UUID
    closed: bool = False


Wish = Submission | Change | Cancellation


def claim_of(
    session: Session,
    wish: Change | Cancellation,
    candidate: Standing | None,
    order: Order | None,
    now: datetime,
) -> Claim | Order:
    """What a wish about an order claims; the order when it has been fulfilled, as that stands.

    `order` is as it is now. Raises DomainError: why it cannot be fulfilled whatever is free, as
    ChangeOrder and CancelOrder state it. What a submission claims `require_choice` says.
    """
    if isinstance(wish, Cancellation):
        return _cancelling(wish, order)
    require_changeable(order, now)
    sound = require_choice(session, candidate, wish.choice, now)
    assert order is not None
    return sound.claim._replace(gives_up=order.holding)


def terms_of(session: Session, choice: Choice, county_code: str, now: datetime) -> Terms:
    """Those of new orders for a choice that was granted in a county."""
    return Terms(
        session_code=session.code,
        county_code=county_code,
        courses=courses_in(session, choice.course_codes),
        state=OrderState.HELD,
        fee_fen=session.fee_fen * len(choice.course_codes),
        held_until=now + session.hold,
        created_at=now,
    )


def granted(session: Session, wish: Change | Cancellation, order: Order, county_code: str) -> Move:
    """What becomes of an order when a wish about it is granted in a county."""
    actor = str(wish.candidate_id)
    if isinstance(wish, Change):
        after = order.on(
            state=next_state(order.state, OrderAction.CHANGE),
            county_code=county_code,
            courses=courses_in(session, wish.choice.course_codes),
            fee_fen=session.fee_fen * len(wish.choice.course_codes),
        )
        return Move(order, after, OrderAction.CHANGE, actor)
    action = _giving_back(order)
    after = order.on(state=next_state(order.state, action))
    return Move(order, after, action, actor)


def require_choice(
    session: Session, candidate: Standing | None, choice: Choice | None, now: datetime
) -> SoundChoice:
    """The choice, if the candidate may have it now whatever is free; raises the first problem.

    Counties that offices have closed for it are left out: those that are liked less count.
    """
    if candidate is None:
        raise NotYetKnown
    candidate.require_eligible()
    if closed := window_error(session, candidate.track, now):
        raise closed
    if choice is None:
        raise DomainError("PLAN_MISSING")
    return sound_choice(session, candidate.track, choice)


def require_changeable(order: Order | None, now: datetime) -> None:
    """Raise HOLD_EXPIRED or STATE_NOT_ALLOWED unless it is held, and not by a payment."""
    assert order is not None
    order.require_hold(now)
    next_state(order.state, OrderAction.CHANGE)


def _cancelling(wish: Cancellation, order: Order | None) -> Claim | Order:
    assert order is not None
    closing = order.state is OrderState.CLOSING
    if order.state is OrderState.RELEASED or (closing and not wish.closed):
        return order
    if next_state(order.state, _giving_back(order)) is not OrderState.RELEASED:
        # A payment is open: its seats are given back once the platform has closed it.
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[order.state])
    return Claim(frozenset(), (order.county_code,), order.holding)


def _giving_back(order: Order) -> OrderAction:
    return OrderAction.CLOSE if order.state is OrderState.CLOSING else OrderAction.CANCEL
