"""Hand the application in for review (DOMAIN section 3, Application)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError, FieldProblem
from zikao_kit.tokens import Actor

from zikao_registration.domain.personal import find_problems
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import Action, next_state
from zikao_registration.stores.registrations import Store


async def submit_registration(store: Store, *, actor: Actor, now: datetime) -> Registration:
    """The actor's registration, now pending review.

    Raises DomainError NOT_FOUND, STATE_NOT_ALLOWED, REGISTRATION_CLOSED, CORRECTION_CLOSED,
    REGISTRATION_INCOMPLETE with every missing or disagreeing field.
    """
    before = await store.get_registration(UUID(actor.subject), for_update=True)
    state = next_state(before.state, Action.SUBMIT)
    session = await store.sessions.load(before.session_code)
    session.require_editing_open(before.state, now)
    problems = _problems(before, session, now)
    if problems:
        raise DomainError("REGISTRATION_INCOMPLETE", fields=problems)
    submitted = replace(before, state=state, updated_at=now, submitted_at=now)
    after = await store.update_registration(submitted)
    states = {"state": before.state}, {"state": after.state}
    await store.audit(
        actor, "submit_registration", now, before.candidate_id, before=states[0], after=states[1]
    )
    return after


def _problems(registration: Registration, session: Session, now: datetime) -> list[FieldProblem]:
    problems = find_problems(
        registration.personal,
        registration.document,
        has_photo=bool(registration.photo_sha256),
        counties=session.counties,
    )
    # Until its deadline the material may follow; after it the registration would fail at once.
    if now >= session.material_closes_at and not registration.has_material:
        problems.append(FieldProblem("identity_material", "请上传证件材料"))
    return problems
