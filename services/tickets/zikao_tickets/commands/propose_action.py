"""An office does something, or proposes it to a second officer (DOMAIN section 7)."""

from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.office_acts import (
    EVERYWHERE,
    ActionState,
    Effect,
    OfficeAction,
    Order,
    Proposal,
)
from zikao_tickets.store import OfficeStore

# A second officer has to read them.
MAX_PENDING = 100


async def propose_action(
    store: OfficeStore,
    action_id: UUID,
    proposal: Proposal,
    *,
    actor: Actor,
    lifetime: timedelta,
    now: datetime,
    dry_run: bool = False,
) -> OfficeAction:
    """Carry it out, or, where session and act want two officers, keep it for `lifetime`.

    With `dry_run` neither: the act is what it would be. It is checked either way: raises
    SESSION_UNKNOWN, what the act's handler raises, and TOO_MANY_PENDING_ACTIONS for one more than
    MAX_PENDING of an officer. The caller has checked the actor's scope.
    """
    order = Order(proposal, actor.subject, now, dry_run=dry_run)
    effect, waits = await _perform(store, order)
    if waits and await store.actions.count_pending(actor.subject, now) >= MAX_PENDING:
        raise DomainError("TOO_MANY_PENDING_ACTIONS", limit=MAX_PENDING)
    action = OfficeAction(
        action_id=action_id,
        proposal=proposal,
        state=ActionState.PENDING if waits else ActionState.DONE,
        proposed_by=actor.subject,
        proposed_at=now,
        expires_at=now + lifetime if waits else None,
    )
    if dry_run:
        return action
    await store.actions.insert(action)
    name = proposal.act.name
    await store.audit.add(
        actor,
        f"propose_{name}" if waits else name,
        now,
        session_code=proposal.session_code,
        county_prefix=proposal.county_prefix,
        before=effect.before,
        after={"action_id": str(action_id), **effect.after},
    )
    return action


async def _perform(store: OfficeStore, order: Order) -> tuple[Effect, bool]:
    """What it does or would do, and whether it waits for a second officer."""
    session = await load_session(store.sessions, order.proposal.session_code)
    is_felt_everywhere = order.proposal.act.name in EVERYWHERE
    if session.dual_control or (is_felt_everywhere and await store.sessions.any_dual_control()):
        effect = await store.perform(order._replace(dry_run=True))
        if effect.needs_second:
            return effect, True
    return await store.perform(order), False
