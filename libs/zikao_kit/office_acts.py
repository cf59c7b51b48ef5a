"""What offices do, and how it waits for a second officer (DOMAIN section 7).

An act is a frozen dataclass beside the rules of its subject; a service says which it knows:

    OfficeAction = office_acts.OfficeAction[Act]
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, NamedTuple, Protocol, Self, TypeVar
from uuid import UUID

from zikao_kit.errors import DomainError


class Act(Protocol):
    """One thing that an office does."""

    @property
    def name(self) -> str:
        """The audit's word for it: the field of the contract's OfficeAct that holds it."""


A = TypeVar("A", bound=Act)
A_co = TypeVar("A_co", bound=Act, covariant=True)


class Effect(Protocol):
    """What an act changes, or would: before and after, for the audit."""

    @property
    def before(self) -> Mapping[str, Any]:
        """What it was."""

    @property
    def after(self) -> Mapping[str, Any]:
        """What it is then."""


class ActionState(StrEnum):
    """Where an act stands; the names are those of the contracts."""

    PENDING = "pending"
    DONE = "done"
    REJECTED = "rejected"
    EXPIRED = "expired"


STATE_NAMES_ZH = {
    ActionState.DONE: "已生效",
    ActionState.REJECTED: "已被驳回",
    ActionState.EXPIRED: "已过期",
}


class ActionFilter(NamedTuple):
    """Which acts: about counties whose code begins so; None excludes nothing."""

    county_prefix: str
    session_code: str | None
    state: ActionState | None


class Proposal(NamedTuple, Generic[A_co]):
    """An act in the counties of a session whose code begins so."""

    session_code: str
    county_prefix: str
    act: A_co


@dataclass(frozen=True)
class OfficeAction(Generic[A_co]):
    """An act with its way; `expires_at` is None for what took effect at once."""

    action_id: UUID
    proposal: Proposal[A_co]
    state: ActionState
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None

    @classmethod
    def proposed(
        cls,
        action_id: UUID,
        proposal: Proposal[A_co],
        officer: str,
        now: datetime,
        *,
        expires_at: datetime | None,
    ) -> Self:
        """A new one: done by now, or, with a deadline, waiting for a second officer."""
        state = ActionState.PENDING if expires_at else ActionState.DONE
        return cls(action_id, proposal, state, officer, now, expires_at)

    def at(self, now: datetime) -> Self:
        """The same as of now: what nobody has decided in time has expired."""
        if self.state is ActionState.PENDING and self.expires_at and now >= self.expires_at:
            return replace(self, state=ActionState.EXPIRED)
        return self

    def decided(self, officer: str, now: datetime, *, confirm: bool) -> Self:
        """The same after a decision; raises DomainError ACTION_DECIDED, SECOND_OFFICER_NEEDED."""
        state = self.at(now).state
        if state is not ActionState.PENDING:
            raise DomainError("ACTION_DECIDED", state=STATE_NAMES_ZH[state])
        if confirm and officer == self.proposed_by:
            raise DomainError("SECOND_OFFICER_NEEDED")
        after = ActionState.DONE if confirm else ActionState.REJECTED
        return replace(self, state=after, decided_by=officer, decided_at=now)
