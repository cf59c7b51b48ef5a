"""A second officer confirms or rejects what another has proposed (DOMAIN section 7)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_enrollment.commands.perform_act import perform_act, require_session
from zikao_enrollment.domain.office_acts import Effect, OfficeAction
from zikao_enrollment.store import OfficeStore


async def decide_action(
    store: OfficeStore, action_id: UUID, *, confirm: bool, actor: Actor, now: datetime
) -> OfficeAction:
    """Decide it, and carry out what is confirmed, checked anew.

    Locks the act, then the session, then its seats. Raises DomainError NOT_FOUND, OUT_OF_SCOPE,
    ACTION_DECIDED, SECOND_OFFICER_NEEDED, and what `perform_act` raises.
    """
    action = await store.actions.lock(action_id)
    if action is None:
        raise DomainError(NOT_FOUND)
    actor.require_scope(action.proposal.county_prefix)
    decided = action.decided(actor.subject, now, confirm=confirm)
    effect = await _confirm(store, decided, actor.subject, now) if confirm else None
    await store.actions.decide(decided)
    name = decided.proposal.act.name
    await store.audit.add(
        actor,
        f"confirm_{name}" if confirm else f"reject_{name}",
        now,
        session_code=decided.proposal.session_code,
        county_prefix=decided.proposal.county_prefix,
        before=effect.before if effect else {},
        after={"action_id": str(action_id), **(effect.after if effect else {})},
    )
    return decided


async def _confirm(store: OfficeStore, action: OfficeAction, officer: str, now: datetime) -> Effect:
    session = await require_session(store.sessions, action.proposal.session_code)
    return await perform_act(store, session, action.proposal, now, officer=officer, dry_run=False)
