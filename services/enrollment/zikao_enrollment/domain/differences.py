"""Differences between the platform's statements and our money, and how they are cleared up."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.money import Payment, PaymentOutcome
from zikao_enrollment.domain.statements import Money

# Who resolves what has settled itself.
SYSTEM = "system"


class DifferenceKind(StrEnum):
    """What differs."""

    MISSING_HERE = "missing_here"
    MISSING_THERE = "missing_there"
    AMOUNT_DIFFERS = "amount_differs"
    ORDER_DIFFERS = "order_differs"


class DifferenceState(StrEnum):
    """Where a difference stands."""

    OPEN = "open"
    IN_REVIEW = "in_review"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """How a difference was cleared up."""

    SETTLED = "settled"
    REFUNDED = "refunded"
    WRITTEN_OFF = "written_off"
    EXPLAINED = "explained"


KIND_NAMES_ZH = {
    DifferenceKind.MISSING_HERE: "本系统无此款项",
    DifferenceKind.MISSING_THERE: "平台无此款项",
    DifferenceKind.AMOUNT_DIFFERS: "金额不符",
    DifferenceKind.ORDER_DIFFERS: "订单不符",
}
STATE_NAMES_ZH = {
    DifferenceState.OPEN: "待处理",
    DifferenceState.IN_REVIEW: "待复核",
    DifferenceState.RESOLVED: "已处理",
}
RESOLUTION_NAMES_ZH = {
    Resolution.SETTLED: "系统已入账",
    Resolution.REFUNDED: "已退款",
    Resolution.WRITTEN_OFF: "已核销",
    Resolution.EXPLAINED: "已说明",
}
OUTCOME_NAMES_ZH = {
    PaymentOutcome.APPLIED: "已确认报考",
    PaymentOutcome.REFUND_PENDING: "退款中",
    PaymentOutcome.REFUNDED: "已退款",
    PaymentOutcome.REFUND_REFUSED: "平台拒绝退款",
}
MONEY_NAMES_ZH = {Money.PAYMENT: "缴款", Money.REFUND: "退款"}


@dataclass(frozen=True)
class Difference:
    """Money that is not the same here and there, in fen; of no county when its order is unknown.

    `outcome` is what became of the payment here by now, None when we do not have it;
    `is_to_settle`: we do not, and the platform's own statement has it.
    """

    difference_id: UUID
    statement_date: date
    money: Money
    subject_id: str
    payment_id: str
    order_id: UUID
    session_code: str
    county_code: str
    kind: DifferenceKind
    here_fen: int | None
    there_fen: int | None
    moved_at: datetime
    found_at: datetime
    state: DifferenceState = DifferenceState.OPEN
    resolution: Resolution | None = None
    reason: str = ""
    decided_by: str | None = None
    decided_at: datetime | None = None
    confirmed_by: str | None = None
    confirmed_at: datetime | None = None
    outcome: PaymentOutcome | None = None
    is_to_settle: bool = False

    def decided(
        self, resolution: Resolution, reason: str, officer: str, now: datetime, *, dual: bool
    ) -> "Difference":
        """After an officer's word; with `dual` it waits for another officer.

        Any of them: what was explained is given up as well. Raises DomainError
        DIFFERENCE_NOT_OPEN, PAYMENT_NOT_SETTLED.
        """
        if self.state is not DifferenceState.OPEN:
            raise DomainError("DIFFERENCE_NOT_OPEN", state=STATE_NAMES_ZH[self.state])
        self._require_settled()
        return replace(
            self,
            state=DifferenceState.IN_REVIEW if dual else DifferenceState.RESOLVED,
            resolution=resolution,
            reason=reason,
            decided_by=officer,
            decided_at=now,
        )

    def confirmed(self, officer: str, proposed_at: datetime, now: datetime) -> "Difference":
        """After the second officer's yes to what was proposed then.

        Raises DomainError NOTHING_PROPOSED, SECOND_OFFICER_NEEDED, PAYMENT_NOT_SETTLED.
        """
        self._require_proposed(proposed_at)
        if officer == self.decided_by:
            raise DomainError("SECOND_OFFICER_NEEDED")
        self._require_settled()
        return replace(self, state=DifferenceState.RESOLVED, confirmed_by=officer, confirmed_at=now)

    def reopened(self, proposed_at: datetime) -> "Difference":
        """After a no to what was proposed then. Raises DomainError NOTHING_PROPOSED."""
        self._require_proposed(proposed_at)
        return replace(
            self,
            state=DifferenceState.OPEN,
            resolution=None,
            reason="",
            decided_by=None,
            decided_at=None,
        )

    def _require_proposed(self, at: datetime) -> None:
        if self.state is not DifferenceState.IN_REVIEW or self.decided_at != at:
            raise DomainError("NOTHING_PROPOSED")

    def _require_settled(self) -> None:
        """Who takes a difference for cleared up ends the search for its money."""
        if self.is_to_settle:
            raise DomainError("PAYMENT_NOT_SETTLED")


class DifferenceFilter(NamedTuple):
    """Which differences; None excludes nothing."""

    from_date: date | None = None
    to_date: date | None = None
    state: DifferenceState | None = None
    kind: DifferenceKind | None = None


class Area(NamedTuple):
    """Counties whose code begins so; a province has also what belongs to no county."""

    prefix: str

    @property
    def has_countyless(self) -> bool:
        """Whether what belongs to no county is of it."""
        return len(self.prefix) == 2


class DueDifference(NamedTuple):
    """One that it is time to look at again, not resolved; `is_of_file`: an office brought it."""

    difference_id: UUID
    money: Money
    kind: DifferenceKind
    payment_id: str
    order_id: UUID
    there_fen: int | None
    moved_at: datetime
    is_of_file: bool

    @property
    def payment(self) -> Payment | None:
        """The money that came in and is not here; None for anything else."""
        if self.money is not Money.PAYMENT or self.kind is not DifferenceKind.MISSING_HERE:
            return None
        return Payment(self.payment_id, self.order_id, self.there_fen or 0, self.moved_at)


class CountyTotals(NamedTuple):
    """The money of a day in one county, in fen; see the contract."""

    county_code: str
    payments: int
    received_fen: int
    applied_fen: int
    refunded_fen: int
    refund_pending_fen: int
    there_payments: int
    there_fen: int
    there_refunds: int
    there_refunds_fen: int
    open_differences: int


class ComparedMoney(NamedTuple):
    """A payment or refund of a day, here and there side by side, in fen.

    `order_id` is the payment order that the statement names, ours for what no statement has.
    """

    money: Money
    subject_id: str
    payment_id: str
    order_id: UUID
    payment_code: str
    here_order_id: UUID | None
    moved_at: datetime
    there_fen: int | None
    here_fen: int | None
    county_code: str

    @property
    def verdict_zh(self) -> str:
        """Whether it is the same, in Chinese."""
        if self.here_fen is None:
            return KIND_NAMES_ZH[DifferenceKind.MISSING_HERE]
        if self.there_fen is None:
            return KIND_NAMES_ZH[DifferenceKind.MISSING_THERE]
        if self.here_fen != self.there_fen:
            return KIND_NAMES_ZH[DifferenceKind.AMOUNT_DIFFERS]
        if self.here_order_id != self.order_id:
            return KIND_NAMES_ZH[DifferenceKind.ORDER_DIFFERS]
        return "一致"
