"""An office does something, or proposes it to a second officer (DOMAIN section 7)."""

from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_enrollment.commands.perform_act import perform_act, require_session
from zikao_enrollment.domain.office_acts import ActionState, OfficeAction, Proposal
from zikao_enrollment.store import OfficeStore

# Each may set 500 seats, and a second officer has to read them.
MAX_PENDING = 100


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

    It is checked either way: raises as `perform_act`, SESSION_UNKNOWN, and
    TOO_MANY_PENDING_ACTIONS for one more than MAX_PENDING of an officer. The caller has checked the
    actor's scope.
    """
    session = await require_session(store.sessions, proposal.session_code)
    dual = session.policies.dual_control
    if dual and await store.actions.count_pending(actor.subject, now) >= MAX_PENDING:
        raise DomainError("TOO_MANY_PENDING_ACTIONS", limit=MAX_PENDING)
    effect = await perform_act(store, session, proposal, now, officer=actor.subject, dry_run=dual)
    action = OfficeAction(
        action_id=action_id,
        proposal=proposal,
        state=ActionState.PENDING if dual else ActionState.DONE,
        proposed_by=actor.subject,
        proposed_at=now,
        expires_at=now + lifetime if dual else None,
    )
    await store.actions.insert(action)
    name = proposal.act.name
    await store.audit.add(
        actor,
        f"propose_{name}" if dual else name,
        now,
        session_code=proposal.session_code,
        county_prefix=proposal.county_prefix,
        before=effect.before,
        after={"action_id": str(action_id), **effect.after},
    )
    return action
