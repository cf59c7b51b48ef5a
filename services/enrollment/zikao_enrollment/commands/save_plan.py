"""Saves what a candidate means to submit at the opening (DOMAIN section 4, Plan)."""

from datetime import datetime
from uuid import UUID

from zikao_enrollment.domain.choices import Plan
from zikao_enrollment.domain.plan_problems import plan_error
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.store import Store


async def save_plan(
    store: Store, session: Session, candidate_id: UUID, plan: Plan, now: datetime
) -> int:
    """Check all that can be known before the opening, store the plan, return its fee in fen.

    Raises DomainError NOT_ELIGIBLE (NotYetKnown for a stranger), TRACK_NOT_OFFERED,
    ENROLLMENT_CLOSED once the window has ended, or INVALID_REQUEST: with every problem, whichever
    it is, also of the choice beside what the candidate has: a plan may add courses to that.
    """
    candidate = await store.candidates.find(candidate_id)
    holdings = await store.seats.list_holdings(session.code, [candidate_id])
    holding = holdings.get(candidate_id)
    if error := plan_error(session, candidate, holding, plan.choice, now):
        raise error
    await store.candidates.save_plan(session.code, candidate_id, plan, now)
    return session.fee_fen * len(plan.choice.course_codes)
