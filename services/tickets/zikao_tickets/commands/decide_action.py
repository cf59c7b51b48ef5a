"""A second officer confirms or rejects what another has proposed (DOMAIN section 7)."""

from datetime import datetime
from uuid import UUID

from zikao_kit import office_actions
from zikao_kit.tokens import Actor

from zikao_tickets.domain.office_acts import Effect, OfficeAction, Order
from zikao_tickets.store import OfficeStore


async def decide_action(
    store: OfficeStore, action_id: UUID, *, confirm: bool, actor: Actor, now: datetime
) -> OfficeAction:
    """Decide it, and carry out what is confirmed, checked anew.

    Locks the act, then what it is about. Raises DomainError NOT_FOUND, OUT_OF_SCOPE,
    ACTION_DECIDED, SECOND_OFFICER_NEEDED, and what the act's handler raises.
    """

    async def perform(action: OfficeAction) -> Effect:
        order = Order(
            action.proposal, actor.subject, now, dry_run=False, proposed_by=action.proposed_by
        )
        return await store.perform(order)

    return await office_actions.decide_action(
        store, action_id, perform, confirm=confirm, actor=actor, now=now
    )
