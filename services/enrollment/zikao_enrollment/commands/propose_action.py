"""An office does something, or proposes it to a second officer (DOMAIN section 7)."""

from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.office_actions import keep_action, require_few_pending
from zikao_kit.tokens import Actor

from zikao_enrollment.commands.perform_act import perform_act, require_session
from zikao_enrollment.domain.office_acts import OfficeAction, Proposal
from zikao_enrollment.store import OfficeStore


async def propose_action(
    store: OfficeStore,
    action_id: UUID,
    proposal: Proposal,
    *,
    actor: Actor,
    lifetime: timedelta,
    now: datetime,
) -> OfficeAction:
    """Carry it out, or, where the session has dual control, keep it for `lifetime`.

    It is checked either way: raises SESSION_UNKNOWN, what `perform_act` raises, and
    TOO_MANY_PENDING_ACTIONS. The caller has checked the actor's scope.
    """
    session = await require_session(store.sessions, proposal.session_code)
    dual = session.policies.dual_control
    if dual:
        await require_few_pending(store.actions, actor.subject, now)
    effect = await perform_act(store, session, proposal, now, officer=actor.subject, dry_run=dual)
    action = OfficeAction.proposed(
        action_id, proposal, actor.subject, now, expires_at=now + lifetime if dual else None
    )
    await keep_action(store, action, effect, actor=actor, now=now)
    return action
