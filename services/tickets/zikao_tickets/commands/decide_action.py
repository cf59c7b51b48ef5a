"""A second officer confirms or rejects what another has proposed (DOMAIN section 7)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.domain.office_acts import OfficeAction, Order
from zikao_tickets.store import OfficeStore


async def decide_action(
    store: OfficeStore, action_id: UUID, *, confirm: bool, actor: Actor, now: datetime
) -> OfficeAction:
    """Decide it, and carry out what is confirmed, checked anew.

    Locks the act, then what it is about. Raises DomainError NOT_FOUND, OUT_OF_SCOPE,
    ACTION_DECIDED, SECOND_OFFICER_NEEDED, and what the act's handler raises.
    """
    action = await store.actions.lock(action_id)
    if action is None:
        raise DomainError(NOT_FOUND)
    actor.require_scope(action.proposal.county_prefix)
    decided = action.decided(actor.subject, now, confirm=confirm)
    order = Order(
        decided.proposal, actor.subject, now, dry_run=False, proposed_by=action.proposed_by
    )
    effect = await store.perform(order) if confirm else None
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
