"""The states of a candidate registration and what may happen in each (DOMAIN section 3)."""

from __future__ import annotations

from enum import StrEnum

from zikao_kit.errors import DomainError


class State(StrEnum):
    """Where a registration stands."""

    DRAFT = "draft"
    PENDING_REVIEW = "pending_review"
    # Approved by one officer, to be confirmed by another. Contracts call it pending review:
    # candidates are not told of a decision that may still change.
    PENDING_CONFIRMATION = "pending_confirmation"
    APPROVED = "approved"
    REJECTED = "rejected"
    ABANDONED = "abandoned"


class Action(StrEnum):
    """What candidates, offices and deadlines do to a registration."""

    EDIT = "edit"
    ADD_MATERIAL = "add_material"
    SUBMIT = "submit"
    # The first of two approvals, where one is not enough (domain.four_eyes).
    APPROVE_FIRST = "approve_first"
    APPROVE = "approve"
    REJECT = "reject"
    # A deadline has passed (`Session.expired_states`).
    EXPIRE = "expire"
    # In another session; of an approved one only when its ticket number has ended.
    REGISTER_ANEW = "register_anew"


TRANSITIONS: dict[tuple[State, Action], State] = {
    (State.DRAFT, Action.EDIT): State.DRAFT,
    (State.DRAFT, Action.ADD_MATERIAL): State.DRAFT,
    (State.DRAFT, Action.SUBMIT): State.PENDING_REVIEW,
    (State.DRAFT, Action.EXPIRE): State.ABANDONED,
    (State.PENDING_REVIEW, Action.ADD_MATERIAL): State.PENDING_REVIEW,
    (State.PENDING_REVIEW, Action.APPROVE_FIRST): State.PENDING_CONFIRMATION,
    (State.PENDING_REVIEW, Action.APPROVE): State.APPROVED,
    (State.PENDING_REVIEW, Action.REJECT): State.REJECTED,
    (State.PENDING_REVIEW, Action.EXPIRE): State.ABANDONED,
    # The first officer has not seen it: both look again.
    (State.PENDING_CONFIRMATION, Action.ADD_MATERIAL): State.PENDING_REVIEW,
    (State.PENDING_CONFIRMATION, Action.APPROVE): State.APPROVED,
    (State.PENDING_CONFIRMATION, Action.REJECT): State.REJECTED,
    (State.PENDING_CONFIRMATION, Action.EXPIRE): State.ABANDONED,
    (State.REJECTED, Action.EDIT): State.REJECTED,
    (State.REJECTED, Action.ADD_MATERIAL): State.REJECTED,
    (State.REJECTED, Action.SUBMIT): State.PENDING_REVIEW,
    (State.REJECTED, Action.EXPIRE): State.ABANDONED,
    (State.APPROVED, Action.REGISTER_ANEW): State.DRAFT,
    (State.ABANDONED, Action.REGISTER_ANEW): State.DRAFT,
}

# Handed in: what offices decide.
PENDING = frozenset({State.PENDING_REVIEW, State.PENDING_CONFIRMATION})
# Identity material in time keeps these alive; without it they end at the material deadline.
KEPT_BY_MATERIAL = PENDING

STATE_NAMES_ZH = {
    State.DRAFT: "草稿",
    State.PENDING_REVIEW: "待审核",
    State.PENDING_CONFIRMATION: "待审核",
    State.APPROVED: "审核通过",
    State.REJECTED: "审核未通过",
    State.ABANDONED: "已失效",
}


def next_state(state: State, action: Action) -> State:
    """Return the state after `action`, or raise STATE_NOT_ALLOWED naming the state in Chinese."""
    after = TRANSITIONS.get((state, action))
    if after is None:
        raise DomainError("STATE_NOT_ALLOWED", state=STATE_NAMES_ZH[state])
    return after
