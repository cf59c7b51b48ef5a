"""Takes the seats of many submissions in one transaction (DESIGN section 4).

Decided here on locked rows rather than in one SQL statement: the locks are the same, and the
decision is a pure function that can be tested by itself (`domain.allocation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.allocation import (
    AlreadyEnrolled,
    Claim,
    Decision,
    Granted,
    SeatChange,
    SeatKey,
    SoldOut,
    allocate,
    decide,
    is_hopeless,
    seat_keys,
)
from zikao_enrollment.domain.choices import Choice, choice_problems, window_error
from zikao_enrollment.domain.order_states import OrderAction, OrderState
from zikao_enrollment.domain.orders import (
    Candidate,
    NotYetKnown,
    Order,
    OrderEvent,
    courses_in,
    seat_changes,
)
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import Store

FREE_IS_HELD = SeatChange(held=1, confirmed=0)


@dataclass(frozen=True)
class Submission:
    """A candidate wants seats: for a choice, or for the saved plan when it is None."""

    order_id: UUID
    candidate_id: UUID
    choice: Choice | None = None


async def submit_batch(
    store: Store,
    session: Session,
    candidates: Mapping[UUID, Candidate],
    submissions: Sequence[Submission],
    now: datetime,
    *,
    surely_full: Mapping[SeatKey, int] | None = None,
) -> list[Order | DomainError]:
    """Decide every submission, the first come first; the answers are in their order.

    An answer is the held order or the reason of the refusal, as SubmitEnrollment and
    SubmitPlan state them. The caller has locked `candidates`, those of the submissions that
    are known. `surely_full` are free seats as of less than a second ago: who finds no county
    in them is refused without waiting for the ledger rows that everybody wants.
    """
    chosen = await _with_plans(store, session, submissions)
    errors = [
        _refusal(session, candidates.get(each.candidate_id), choice, now)
        for each, choice in zip(submissions, chosen, strict=True)
    ]
    good = [
        (each, choice)
        for each, choice, error in zip(submissions, chosen, errors, strict=True)
        if error is None and choice is not None
    ]
    taken = await _take_seats(store, session, good, now, surely_full or {}) if good else []
    answers = iter(taken)
    return [error or next(answers) for error in errors]


async def _with_plans(
    store: Store, session: Session, submissions: Sequence[Submission]
) -> list[Choice | None]:
    """The choice of each submission, from the saved plan where it has none."""
    planned = [each.candidate_id for each in submissions if each.choice is None]
    plans = await store.candidates.list_plans(session.code, planned) if planned else {}
    saved = {candidate_id: plan.choice for candidate_id, plan in plans.items()}
    return [each.choice or saved.get(each.candidate_id) for each in submissions]


def _refusal(
    session: Session, candidate: Candidate | None, choice: Choice | None, now: datetime
) -> DomainError | None:
    """Why this submission cannot have seats whatever is free, or None."""
    if candidate is None:
        return NotYetKnown()
    try:
        candidate.require_eligible()
    except DomainError as error:
        return error
    if closed := window_error(session, candidate.track, now):
        return closed
    if choice is None:
        return DomainError("PLAN_MISSING")
    problems = choice_problems(session, candidate.track, choice)
    return problems[0].error if problems else None


async def _take_seats(
    store: Store,
    session: Session,
    chosen: Sequence[tuple[Submission, Choice]],
    now: datetime,
    surely_full: Mapping[SeatKey, int],
) -> list[Order | DomainError]:
    claims = [_claim(session, each, choice) for each, choice in chosen]
    # The candidates are locked: what they hold cannot change until the end.
    people = {each.candidate_id for each, _ in chosen}
    holdings = await store.seats.list_holdings(session.code, people)
    hopeless = [is_hopeless(claim, surely_full) for claim in claims]
    hopeful = [claim for claim, no in zip(claims, hopeless, strict=True) if not no]
    free = await store.seats.lock(session.code, seat_keys(hopeful)) if hopeful else {}
    decided = iter(allocate(hopeful, free, holdings, session.max_courses))
    decisions = [
        decide(claim, surely_full, holdings.get(claim.candidate_id), session.max_courses)
        if no
        else next(decided)
        for claim, no in zip(claims, hopeless, strict=True)
    ]
    answers = [
        _answer(session, each, choice, decision, now)
        for (each, choice), decision in zip(chosen, decisions, strict=True)
    ]
    if orders := [answer for answer in answers if isinstance(answer, Order)]:
        await _store_held(store, session.code, orders, now)
    return answers


async def _store_held(
    store: Store, session_code: str, orders: Sequence[Order], now: datetime
) -> None:
    await store.orders.insert(orders)
    await store.seats.insert_enrollments(session_code, orders)
    await store.seats.insert_sittings(session_code, orders)
    await store.seats.change(session_code, seat_changes(orders, FREE_IS_HELD))
    events = [
        OrderEvent(order.order_id, None, order.state, OrderAction.SUBMIT, str(order.candidate_id))
        for order in orders
    ]
    await store.orders.insert_events(events, now)


def _claim(session: Session, submission: Submission, choice: Choice) -> Claim:
    slots = frozenset(session.course_by_code[code].slot for code in choice.course_codes)
    return Claim(str(submission.candidate_id), slots, choice.county_codes)


def _answer(
    session: Session, submission: Submission, choice: Choice, decision: Decision, now: datetime
) -> Order | DomainError:
    match decision:
        case Granted(county_code):
            return _order(session, submission, choice, county_code, now)
        case SoldOut(full):
            return _sold_out(session, full)
        case AlreadyEnrolled(county_code):
            return DomainError("ALREADY_ENROLLED", county_code=county_code)
        case _:
            return DomainError("TOO_MANY_COURSES", limit=decision.limit)


def _sold_out(session: Session, full: Sequence[tuple[str, Sequence[int]]]) -> DomainError:
    """SOLD_OUT with the full slots of every county, as the contract says.

    `full` is "510104:1,2;510105:1" then, `detail` "锦江区第1、2场；青羊区第1场".
    """
    counties = [(code, [str(slot) for slot in slots]) for code, slots in full]
    return DomainError(
        "SOLD_OUT",
        full=";".join(f"{code}:{','.join(slots)}" for code, slots in counties),
        detail="；".join(
            f"{session.county_by_code[code].name}第{'、'.join(slots)}场" for code, slots in counties
        ),
    )


def _order(
    session: Session, submission: Submission, choice: Choice, county_code: str, now: datetime
) -> Order:
    return Order(
        order_id=submission.order_id,
        session_code=session.code,
        candidate_id=submission.candidate_id,
        county_code=county_code,
        courses=courses_in(session, choice.course_codes),
        state=OrderState.HELD,
        fee_fen=session.fee_fen * len(choice.course_codes),
        held_until=now + session.hold,
        created_at=now,
    )
