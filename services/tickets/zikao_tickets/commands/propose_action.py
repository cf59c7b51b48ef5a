"""An office does something, or proposes it to a second officer (DOMAIN section 7)."""

from datetime import datetime, timedelta
from uuid import UUID

from zikao_kit.office_actions import keep_action, require_few_pending
from zikao_kit.tokens import Actor

from zikao_tickets.commands.load_session import load_session
from zikao_tickets.domain.office_acts import EVERYWHERE, Effect, OfficeAction, Order, Proposal
from zikao_tickets.store import OfficeStore


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
    SESSION_UNKNOWN, what the act's handler raises, and TOO_MANY_PENDING_ACTIONS. The caller has
    checked the actor's scope.
    """
    order = Order(proposal, actor.subject, now, dry_run=dry_run)
    effect, waits = await _perform(store, order)
    action = OfficeAction.proposed(
        action_id, proposal, actor.subject, now, expires_at=now + lifetime if waits else None
    )
    if not dry_run:
        await keep_action(store, action, effect, actor=actor, now=now)
    return action


async def _perform(store: OfficeStore, order: Order) -> tuple[Effect, bool]:
    """What it does or would do, and whether it waits for a second officer."""
    session = await load_session(store.sessions, order.proposal.session_code)
    is_felt_everywhere = order.proposal.act.name in EVERYWHERE
    if session.dual_control or (is_felt_everywhere and await store.sessions.any_dual_control()):
        effect = await store.perform(order._replace(dry_run=True))
        if effect.needs_second:
            await require_few_pending(store.actions, order.officer, order.now)
            return effect, True
    return await store.perform(order), False
