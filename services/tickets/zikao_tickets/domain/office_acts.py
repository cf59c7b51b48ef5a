"""What offices do, and how it waits for a second officer (DOMAIN section 7)."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from zikao_kit.errors import DomainError


class Act(Protocol):
    """One thing that an office does: a frozen dataclass beside the rules of its subject."""

    @property
    def name(self) -> str:
        """The field of the contract's OfficeAct that holds it; the audit's word for it."""


# Acts that are felt in every session: what one of them asks for two officers for, all do.
EVERYWHERE = frozenset({"supply_glyph"})


class Effect(NamedTuple):
    """What an act changes, or would: before and after, for the audit.

    `needs_second` False: one officer is enough for it, whatever the session says.
    """

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    needs_second: bool = True


class ActionState(StrEnum):
    """Where an act stands; the names are those of the contract."""

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


class Proposal(NamedTuple):
    """An act in the counties of a session whose code begins so."""

    session_code: str
    county_prefix: str
    act: Act


class Order(NamedTuple):
    """To do what is proposed, or, with `dry_run`, to see only whether it could be done.

    `proposed_by` is whose proposal `officer` confirms; empty for who acts alone.
    """

    proposal: Proposal
    officer: str
    now: datetime
    dry_run: bool
    proposed_by: str = ""

    @property
    def author(self) -> str:
        """Who wanted it."""
        return self.proposed_by or self.officer


Handler = Callable[[Order], Awaitable[Effect]]
"""Carries out the acts of one name, in the running transaction; raises DomainError."""


@dataclass(frozen=True)
class OfficeAction:
    """An act with its way; `expires_at` is None for what took effect at once."""

    action_id: UUID
    proposal: Proposal
    state: ActionState
    proposed_by: str
    proposed_at: datetime
    expires_at: datetime | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None

    def at(self, now: datetime) -> "OfficeAction":
        """The same as of now: what nobody has decided in time has expired."""
        if self.state is ActionState.PENDING and self.expires_at and now >= self.expires_at:
            return replace(self, state=ActionState.EXPIRED)
        return self

    def decided(self, officer: str, now: datetime, *, confirm: bool) -> "OfficeAction":
        """The same after a decision; raises DomainError ACTION_DECIDED, SECOND_OFFICER_NEEDED."""
        state = self.at(now).state
        if state is not ActionState.PENDING:
            raise DomainError("ACTION_DECIDED", state=STATE_NAMES_ZH[state])
        if confirm and officer == self.proposed_by:
            raise DomainError("SECOND_OFFICER_NEEDED")
        after = ActionState.DONE if confirm else ActionState.REJECTED
        return replace(self, state=after, decided_by=officer, decided_at=now)
