"""Begin a new application with the same account (DOMAIN section 3, Standing).

For a candidate whose ticket number has ended, and for one whose application was abandoned: one
person has one account, so there is no other way to apply again.
"""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.older_imports import NumberStatus
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import Action, next_state
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def register_anew(
    store: Store, older: OlderStore, session_code: str, *, actor: Actor, now: datetime
) -> Registration:
    """The actor's draft in the session.

    The standing stays, and nothing is published: the ended number is known with it until another
    one is assigned. Raises DomainError NOT_FOUND, STATE_NOT_ALLOWED, TICKET_NUMBER_IN_USE,
    SESSION_UNKNOWN, REGISTRATION_CLOSED.
    """
    await store.sessions.hold()
    before = await store.get_registration(UUID(actor.subject), for_update=True)
    state = next_state(before.state, Action.REGISTER_ANEW)
    if before.ticket_number:
        number = await older.get_number(before.ticket_number)
        if number.status is not NumberStatus.ENDED:
            raise DomainError("TICKET_NUMBER_IN_USE")
    session = await store.sessions.load(session_code)
    session.require_registration_open(now)
    draft = replace(
        before,
        session_code=session.code,
        state=state,
        personal=replace(before.personal, county_code=_county(before, session)),
        ticket_number="",
        submitted_at=None,
        has_material=False,
        updated_at=now,
    )
    await store.begin_anew(draft)
    await store.audit(
        actor,
        "register_anew",
        now,
        before.candidate_id,
        before={"state": before.state, "ticket_number": before.ticket_number},
        after={"state": draft.state, "session": session.code},
    )
    return draft


def _county(before: Registration, session: Session) -> str:
    """As chosen before, where the session has it."""
    county_code = before.personal.county_code
    return county_code if county_code in session.counties else ""
