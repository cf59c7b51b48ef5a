"""Money that goes back: the states of a refund and what moves it, as data (DOMAIN section 4)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError


class RefundState(StrEnum):
    """Where a refund stands; the names are those of the contract."""

    REQUESTED = "requested"
    REFUSED = "refused"
    REFUNDED = "refunded"


class RefundAction(StrEnum):
    """What payments, the platform and officers do to a refund."""

    # The refund comes to be, for money has come that confirms no order: no state leads here.
    REQUEST = "request"
    # The platform says that the money is back.
    REFUND = "refund"
    # The platform says no, for the first time or for another reason.
    REFUSE = "refuse"
    # The platform, asked again by itself, works on what it refused before.
    ACCEPT = "accept"
    # An officer has seen to what the platform refused.
    REQUEST_AGAIN = "request_again"


# A refused refund is asked for again also by itself, and may be accepted or made then. What is back
# stays so, whatever the platform says of it later: statements would show it.
TRANSITIONS: dict[tuple[RefundState, RefundAction], RefundState] = {
    (RefundState.REQUESTED, RefundAction.REFUND): RefundState.REFUNDED,
    (RefundState.REQUESTED, RefundAction.REFUSE): RefundState.REFUSED,
    (RefundState.REFUSED, RefundAction.REFUND): RefundState.REFUNDED,
    (RefundState.REFUSED, RefundAction.REFUSE): RefundState.REFUSED,
    (RefundState.REFUSED, RefundAction.ACCEPT): RefundState.REQUESTED,
    (RefundState.REFUSED, RefundAction.REQUEST_AGAIN): RefundState.REQUESTED,
}

STATE_NAMES_ZH = {
    RefundState.REQUESTED: "退款中",
    RefundState.REFUSED: "平台拒绝退款",
    RefundState.REFUNDED: "已退款",
}


class OwedRefunds(NamedTuple):
    """How many refunds are owed, have been refused, have waited for long; since when the oldest."""

    owed: int
    refused: int
    waiting: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Refund:
    """Money on its way back; `refunded_at` once the platform has confirmed.

    `refusal` is the reason of the platform's last answer when that was no.
    """

    refund_id: UUID
    amount_fen: int
    state: RefundState
    refunded_at: datetime | None = None
    refusal: str | None = None

    def may(self, action: RefundAction) -> bool:
        """Whether `action` leads anywhere from here."""
        return (self.state, action) in TRANSITIONS

    def made(self, at: datetime) -> "Refund":
        """The same once the money went back `at` this time."""
        return replace(self, state=self._next(RefundAction.REFUND), refunded_at=at, refusal=None)

    def refused(self, reason: str) -> "Refund":
        """The same once the platform has said no."""
        return replace(self, state=self._next(RefundAction.REFUSE), refusal=reason)

    def accepted(self) -> "Refund":
        """The same once the platform works on what it has refused."""
        return replace(self, state=self._next(RefundAction.ACCEPT), refusal=None)

    def requested_again(self) -> "Refund":
        """The same once an officer asks again. Raises DomainError REFUND_NOT_REFUSED."""
        return replace(self, state=self._next(RefundAction.REQUEST_AGAIN), refusal=None)

    def _next(self, action: RefundAction) -> RefundState:
        after = TRANSITIONS.get((self.state, action))
        if after is None:
            raise DomainError("REFUND_NOT_REFUSED", state=STATE_NAMES_ZH[self.state])
        return after


class RefundEvent(NamedTuple):
    """One line of a refund's history: who did what, where it stands since, the platform's no."""

    refund_id: UUID
    from_state: RefundState | None
    to_state: RefundState
    action: RefundAction
    actor: str
    refusal: str | None = None


class RefundMove(NamedTuple):
    """One step of a refund."""

    before: Refund
    after: Refund
    action: RefundAction
    actor: str

    @property
    def event(self) -> RefundEvent:
        """The line of history that it leaves."""
        before, after = self.before, self.after
        return RefundEvent(
            after.refund_id, before.state, after.state, self.action, self.actor, after.refusal
        )


class RefundPlace(NamedTuple):
    """Session and county of the order that was paid; both empty when none is known."""

    session_code: str
    county_code: str
