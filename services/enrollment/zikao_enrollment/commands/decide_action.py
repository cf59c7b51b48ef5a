"""A second officer confirms or rejects what another has proposed (DOMAIN section 7)."""

from datetime import datetime
from uuid import UUID

from zikao_kit import office_actions
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

    async def perform(action: OfficeAction) -> Effect:
        proposal = action.proposal
        session = await require_session(store.sessions, proposal.session_code)
        return await perform_act(
            store, session, proposal, now, officer=actor.subject, dry_run=False
        )

    return await office_actions.decide_action(
        store, action_id, perform, confirm=confirm, actor=actor, now=now
    )
