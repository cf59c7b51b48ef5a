"""A candidate asks for other data on record (DOMAIN section 3, Profile change)."""

from uuid import UUID, uuid4

from zikao_kit.errors import NOT_FOUND, DomainError

from zikao_registration.domain.profile_changes import (
    ChangeAction,
    ChangeState,
    ProfileChange,
    ProfileValues,
    next_change_state,
    only_new,
    require_few,
    require_sound,
    require_window,
)
from zikao_registration.domain.states import STATE_NAMES_ZH, State
from zikao_registration.stores.change_desk import ChangeDesk


async def request_profile_change(desk: ChangeDesk, values: ProfileValues) -> ProfileChange:
    """The actor's new request, which waits for its evidence.

    Raises DomainError PROFILE_CHANGE_CLOSED, NOT_FOUND, STATE_NOT_ALLOWED without an
    approved registration, INVALID_REQUEST with every bad field, PROFILE_CHANGE_OPEN,
    PROFILE_CHANGE_LIMIT.
    """
    await desk.store.sessions.hold()
    session = require_window(await desk.store.sessions.load_all(), desk.now)
    registration = await desk.store.get_registration(UUID(desk.actor.subject), for_update=True)
    if registration.state is not State.APPROVED:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[registration.state])
    new_values = only_new(values, registration)
    require_sound(new_values, registration)
    change = ProfileChange(
        change_id=uuid4(),
        candidate_id=registration.candidate_id,
        session_code=session.code,
        county_code=registration.personal.county_code,
        state=ChangeState.AWAITING_EVIDENCE,
        values=new_values,
        requested_at=desk.now,
    )
    await desk.changes.insert(change)
    require_few(await desk.changes.count(change.candidate_id, session.code))
    after = {"change_id": str(change.change_id), "fields": new_values.fields}
    await desk.store.audit(
        desk.actor, "request_profile_change", desk.now, change.candidate_id, after=after
    )
    return change


async def withdraw_profile_change(desk: ChangeDesk) -> ProfileChange:
    """The actor's last request, taken back; its evidence is kept no longer.

    Raises DomainError NOT_FOUND, PROFILE_CHANGE_STATE once it is decided against or applied.
    """
    change = await lock_own_change(desk)
    state = next_change_state(change.state, ChangeAction.WITHDRAW)
    await desk.changes.withdraw(change.change_id, state)
    return await desk.move(change, state, "withdraw_profile_change")


async def require_evidence_open(desk: ChangeDesk) -> None:
    """Refuse evidence before it is decoded; raises what `upload_evidence` would raise now."""
    change = await desk.changes.get_last(UUID(desk.actor.subject))
    await _state_with_evidence(desk, change)


async def upload_evidence(desk: ChangeDesk, jpeg: bytes) -> ProfileChange:
    """Store cleaned evidence; the request then waits for an office.

    Raises DomainError NOT_FOUND, PROFILE_CHANGE_CLOSED, PROFILE_CHANGE_STATE.
    """
    change = await lock_own_change(desk)
    state = await _state_with_evidence(desk, change)
    await desk.changes.set_evidence(change.change_id, state, jpeg)
    return await desk.move(change, state, "upload_change_evidence")


async def lock_own_change(desk: ChangeDesk) -> ProfileChange:
    """The actor's last request; its candidate, and so all of theirs, are locked."""
    candidate_id = UUID(desk.actor.subject)
    await desk.store.get_registration(candidate_id, for_update=True)
    return await desk.changes.get_last(candidate_id)


async def _state_with_evidence(desk: ChangeDesk, change: ProfileChange) -> ChangeState:
    state = next_change_state(change.state, ChangeAction.ADD_EVIDENCE)
    session = require_window(await desk.store.sessions.load_all(), desk.now)
    if session.code != change.session_code:
        raise DomainError(NOT_FOUND)
    return state
