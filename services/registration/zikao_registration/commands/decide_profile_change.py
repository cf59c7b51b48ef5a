"""What offices do with requests for other data (DOMAIN section 3, Profile change)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_registration.domain.profile_changes import (
    STATE_NAMES_ZH,
    ChangeAction,
    ChangeState,
    ProfileChange,
    ProfileValues,
    next_change_state,
    values_of,
)
from zikao_registration.domain.registration import Decision, Registration
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.change_desk import ChangeDesk


@dataclass(frozen=True)
class ReviewedChange:
    """All that an office looks at; `evidence` is a JPEG, empty while it is missing."""

    change: ProfileChange
    current: ProfileValues
    evidence: bytes
    document_taken: bool


async def list_profile_changes(
    desk: ChangeDesk,
    code_prefix: str,
    state: ChangeState | None,
    after: tuple[datetime, UUID],
    limit: int,
) -> Sequence[tuple[ProfileChange, Registration]]:
    """Requests of an area with their registrations, after a place in the list.

    Raises DomainError OUT_OF_SCOPE.
    """
    desk.actor.require_scope(code_prefix)
    changes = await desk.changes.list(code_prefix, state, after, limit)
    found = await desk.store.get_registrations([change.candidate_id for change in changes])
    by_id = {registration.candidate_id: registration for registration in found}
    return [(change, by_id[change.candidate_id]) for change in changes]


async def view_profile_change(
    desk: ChangeDesk, accounts: AccountStore, change_id: UUID
) -> ReviewedChange:
    """One request in full; audited. Raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    change = await desk.changes.get(change_id)
    desk.actor.require_scope(change.county_code)
    registration = await desk.store.get_registration(change.candidate_id)
    after = {"change_id": str(change_id)}
    await desk.store.audit(
        desk.actor, "view_profile_change", desk.now, change.candidate_id, after=after
    )
    return ReviewedChange(
        change,
        values_of(registration),
        await desk.changes.get_evidence(change_id),
        await is_document_taken(desk, accounts, change),
    )


async def decide_profile_change(
    desk: ChangeDesk, accounts: AccountStore, change_id: UUID, decision: Decision
) -> ChangeState:
    """Where a request stands after the decision; nothing of the registration changes by it.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, PROFILE_CHANGE_STATE, also once the time of the
    effect has come, DOCUMENT_TAKEN.
    """
    candidate_id = (await desk.changes.get(change_id)).candidate_id
    await desk.store.get_registration(candidate_id, for_update=True)
    change = await desk.changes.get(change_id)
    desk.actor.require_scope(change.county_code)
    action = ChangeAction.APPROVE if decision.approved else ChangeAction.REJECT
    state = next_change_state(change.state, action)
    session = await desk.store.sessions.load(change.session_code)
    if session.changes_are_in_effect(desk.now):
        # It lapses any moment (`lapse_profile_changes`).
        raise DomainError("PROFILE_CHANGE_STATE", state=STATE_NAMES_ZH[ChangeState.LAPSED])
    if decision.approved and await is_document_taken(desk, accounts, change):
        raise DomainError("DOCUMENT_TAKEN")
    await desk.changes.decide(change_id, state, UUID(desk.actor.subject), decision)
    await desk.move(change, state, "decide_profile_change", reasons=decision.reasons)
    return state


async def is_document_taken(
    desk: ChangeDesk, accounts: AccountStore, change: ProfileChange
) -> bool:
    """Say whether the new document, if there is one, is on record elsewhere.

    An older number of the same document is to be merged first: one person, one number.
    """
    document = change.values.document
    if document is None:
        return False
    owner = await accounts.find_owner(document)
    is_others = owner is not None and owner != change.candidate_id
    return is_others or bool(await desk.older.other_numbers(document, []))
