"""Approve or reject (DOMAIN section 3, Review and Ticket number)."""

from dataclasses import replace
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import Action, next_state
from zikao_registration.store import Store


async def decide_registration(
    store: Store, candidate_id: UUID, decision: Decision, *, actor: Actor
) -> Registration:
    """The registration after the decision; an approved one has its number and is in the feed.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, STATE_NOT_ALLOWED, LEASE_LOST,
    CORRECTION_CLOSED, SERIALS_EXHAUSTED.
    """
    now = decision.decided_at
    before = await store.get_registration(candidate_id, for_update=True)
    actor.require_scope(before.personal.county_code)
    state = next_state(before.state, Action.APPROVE if decision.approved else Action.REJECT)
    before.require_lease(UUID(actor.subject), now)
    session = await store.sessions.load(before.session_code)
    session.require_review_open(now)
    await store.insert_decision(candidate_id, UUID(actor.subject), decision)
    await store.audit(
        actor,
        "decide_registration",
        now,
        candidate_id,
        before={"state": before.state},
        after={"state": state, "reasons": decision.reasons},
    )
    decided = replace(before, state=state, updated_at=now, last_decision=decision)
    if decision.approved:
        return await _admit(store, session, decided)
    return await store.update_registration(decided)


async def _admit(store: Store, session: Session, approved: Registration) -> Registration:
    """Last of all: the county's serial is held from here to the end of the transaction."""
    county_code = approved.personal.county_code
    serial = await store.take_serial(session.code, county_code)
    ticket_number = session.make_ticket_number(county_code, serial)
    admitted = await store.update_registration(replace(approved, ticket_number=ticket_number))
    await store.insert_ticket_numbers({ticket_number: approved.candidate_id}, approved.updated_at)
    await store.publish(admitted)
    return admitted
