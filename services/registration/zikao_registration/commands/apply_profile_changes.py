"""Approved changes take effect once the session's sittings are over (DOMAIN section 3)."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.commands.decide_profile_change import is_document_taken
from zikao_registration.domain.profile_changes import (
    ChangeAction,
    ChangeFailure,
    ChangeState,
    ProfileChange,
    changed,
    next_change_state,
    require_sound,
)
from zikao_registration.domain.registration import Registration
from zikao_registration.domain.session import Session
from zikao_registration.domain.states import State
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.change_desk import ChangeDesk

CHANGES_AT_ONCE = 100
APPLIER = Actor(subject="profile_changes", role="service")


async def lapse_profile_changes(desk: ChangeDesk, session: Session) -> None:
    """What has no evidence when the window has closed is over.

    So is what no office has decided by the time of the effect: later it would change the data in
    the middle of the next session, and tickets of it.
    """
    window = session.profile_change
    if window and desk.now >= window.closes_at:
        await _lapse(desk, session, ChangeState.AWAITING_EVIDENCE)
    if session.changes_are_in_effect(desk.now):
        await _lapse(desk, session, ChangeState.PENDING)


async def _lapse(desk: ChangeDesk, session: Session, before: ChangeState) -> None:
    after = next_change_state(before, ChangeAction.LAPSE)
    lapsed = await desk.changes.lapse(session.code, before, after)
    if lapsed:
        states = {"state": before}, {"state": after}
        await desk.store.audit(
            desk.actor, "lapse_profile_change", desk.now, *lapsed, before=states[0], after=states[1]
        )


async def list_due_changes(
    desk: ChangeDesk, sessions: Sequence[Session], after: UUID
) -> Sequence[UUID]:
    """Approved requests of sessions whose sittings are over, CHANGES_AT_ONCE at most, by id."""
    due = [session.code for session in sessions if session.changes_are_in_effect(desk.now)]
    return await desk.changes.list_due(due, after, CHANGES_AT_ONCE) if due else ()


async def apply_profile_change(desk: ChangeDesk, accounts: AccountStore, change_id: UUID) -> None:
    """Put one request into effect, or say why not; one that another process took is left alone.

    Raises DomainError DOCUMENT_TAKEN for a number that became another person's just now: the
    next round sees whose it is.
    """
    candidate_id = (await desk.changes.get(change_id)).candidate_id
    before = await desk.store.get_registration(candidate_id, for_update=True)
    change = await desk.changes.get(change_id)
    if change.state is not ChangeState.APPROVED:
        return
    failure = await _obstacle(desk, accounts, change, before)
    if failure:
        await _fail(desk, change, failure)
        return
    after = replace(changed(before, change.values), updated_at=desk.now)
    await desk.store.update_identity(after)
    if change.values.document:
        await accounts.set_document(candidate_id, before.document, after.document)
    state = next_change_state(change.state, ChangeAction.APPLY)
    await desk.changes.set_state(change_id, state)
    await desk.move(change, state, "apply_profile_change", fields=change.values.fields)
    await desk.store.publish(after)


async def _obstacle(
    desk: ChangeDesk, accounts: AccountStore, change: ProfileChange, registration: Registration
) -> ChangeFailure | None:
    if registration.state is not State.APPROVED:
        return ChangeFailure.NOT_APPROVED
    try:
        require_sound(change.values, registration)
    except DomainError as error:
        if error.reason != INVALID_REQUEST:
            raise
        return ChangeFailure.DISAGREES
    return ChangeFailure.DOCUMENT_TAKEN if await is_document_taken(desk, accounts, change) else None


async def _fail(desk: ChangeDesk, change: ProfileChange, failure: ChangeFailure) -> None:
    state = next_change_state(change.state, ChangeAction.FAIL)
    await desk.changes.set_state(change.change_id, state, failure)
    await desk.move(change, state, "apply_profile_change", failure=failure)
