"""Saves what a candidate means to submit at the opening (DOMAIN section 4, Plan)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError

from zikao_enrollment.domain.choices import (
    Plan,
    addition_problems,
    choice_problems,
    window_error,
)
from zikao_enrollment.domain.orders import NotYetKnown
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import Store


async def save_plan(
    store: Store, session: Session, candidate_id: UUID, plan: Plan, now: datetime
) -> int:
    """Check all that can be known before the opening, store the plan, return its fee in fen.

    Raises DomainError NOT_ELIGIBLE (NotYetKnown for a stranger), TRACK_NOT_OFFERED,
    ENROLLMENT_CLOSED once the window has ended, INVALID_REQUEST with every problem of the choice,
    also beside what the candidate has: a plan may add courses to that.
    """
    candidate = await store.candidates.find(candidate_id)
    if candidate is None:
        raise NotYetKnown
    candidate.require_eligible()
    if closed := window_error(session, candidate.track, now, early=True):
        raise closed
    holdings = await store.seats.list_holdings(session.code, [candidate_id])
    problems = [
        *choice_problems(session, candidate.track, plan.choice),
        *addition_problems(session, holdings.get(str(candidate_id)), plan.choice),
    ]
    if problems:
        raise DomainError(INVALID_REQUEST, fields=[each.as_field() for each in problems])
    await store.candidates.save_plan(session.code, candidate_id, plan, now)
    return session.fee_fen * len(plan.choice.course_codes)
