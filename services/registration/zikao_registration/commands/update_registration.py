"""The candidate writes the application (DOMAIN section 3, Application)."""

from dataclasses import fields, replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.personal import PersonalData, wrong_fields
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.states import Action, next_state
from zikao_registration.stores.registrations import Store


async def update_registration(
    store: Store, personal: PersonalData, *, actor: Actor, now: datetime
) -> Registration:
    """Replace the personal data of the actor's registration.

    Raises DomainError NOT_FOUND, STATE_NOT_ALLOWED, REGISTRATION_CLOSED, CORRECTION_CLOSED,
    INVALID_REQUEST with every field of a wrong form, COUNTY_UNKNOWN.
    """
    await store.sessions.hold()
    before = await store.get_registration(UUID(actor.subject), for_update=True)
    state = next_state(before.state, Action.EDIT)
    session = await store.sessions.load(before.session_code)
    session.require_editing_open(before.state, now)
    problems = list(wrong_fields(personal))
    if problems:
        raise DomainError(INVALID_REQUEST, fields=problems)
    session.require_county(personal.county_code)
    changed = replace(before, state=state, personal=personal, updated_at=now)
    after = await store.update_registration(changed)
    names = {"changed": _changed_fields(before.personal, personal)}
    await store.audit(actor, "update_registration", now, before.candidate_id, after=names)
    return after


def _changed_fields(before: PersonalData, after: PersonalData) -> list[str]:
    """Names only: what they held is personal data."""
    names = (field.name for field in fields(PersonalData))
    return [name for name in names if getattr(before, name) != getattr(after, name)]
