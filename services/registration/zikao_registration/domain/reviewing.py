"""What a decision makes of a registration (DOMAIN section 3, Review)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import UUID

from zikao_registration.domain.registration import Decision, Registration, Standing
from zikao_registration.domain.states import Action, State, next_state


@dataclass(frozen=True)
class PastDecision:
    """A decision with its officer; `needed_confirmation` for a first approval."""

    decision: Decision
    officer_id: UUID
    needed_confirmation: bool


def judge(
    before: Registration, decision: Decision, officer_id: UUID, *, is_drawn: bool
) -> Registration:
    """The registration after an officer's decision, its lease ended; no number yet.

    `is_drawn`: one approval is not enough. Raises DomainError STATE_NOT_ALLOWED, LEASE_LOST.
    """
    state = next_state(before.state, _action(before, decision, is_drawn=is_drawn))
    before.require_lease(officer_id, decision.decided_at)
    is_first = state is State.PENDING_CONFIRMATION
    # Whose last number has ended begins with the new one like everybody.
    begins = state is State.APPROVED
    return replace(
        before,
        standing=Standing.ACTIVE if begins else before.standing,
        standing_reason="" if begins else before.standing_reason,
        state=state,
        updated_at=decision.decided_at,
        # Of a first approval nobody outside the offices is told.
        last_decision=before.last_decision if is_first else decision,
        leased_by=None,
        leased_until=None,
        first_approved_by=officer_id if is_first else None,
    )


def _action(before: Registration, decision: Decision, *, is_drawn: bool) -> Action:
    if not decision.approved:
        return Action.REJECT
    is_first = is_drawn and before.state is not State.PENDING_CONFIRMATION
    return Action.APPROVE_FIRST if is_first else Action.APPROVE
