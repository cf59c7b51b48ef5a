"""What the service keeps of candidates and their orders."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.allocation import SeatChange, SeatKey
from zikao_enrollment.domain.order_states import HOLDING_STATES, OrderAction, OrderState
from zikao_enrollment.domain.timetable import Session, Track

ACTIVE = "active"
_STANDINGS_ZH = {
    "graduated": "已毕业",
    "transfer_requested": "转考申请办理中",
    "transferred_out": "已转出",
    "blocked": "考试机构限制报考",
}


@dataclass(frozen=True)
class Candidate:
    """The projection of a candidate: what decides eligibility, nothing personal."""

    candidate_id: UUID
    track: Track
    standing: str
    standing_reason: str

    def require_eligible(self) -> None:
        """Only active candidates enroll. Raises DomainError NOT_ELIGIBLE."""
        if self.standing != ACTIVE:
            raise DomainError(
                "NOT_ELIGIBLE",
                standing=self.standing,
                detail=self.standing_reason or _STANDINGS_ZH.get(self.standing, self.standing),
            )


class NotYetKnown(DomainError):  # noqa: N818 - it is what is said
    """NOT_ELIGIBLE for somebody of whom registration has said nothing yet: to ask it may help."""

    def __init__(self) -> None:
        super().__init__("NOT_ELIGIBLE", standing="unknown", detail="尚未取得准考证号")


@dataclass(frozen=True)
class OrderCourse:
    """One course of an order with its slot."""

    course_code: str
    slot: int


@dataclass(frozen=True)
class Refund:
    """Money on its way back; `refunded_at` once the platform has confirmed."""

    refund_id: UUID
    amount_fen: int
    refunded_at: datetime | None


@dataclass(frozen=True)
class Order:
    """Courses of one candidate in one county, taken and paid together; the fee in fen."""

    order_id: UUID
    session_code: str
    candidate_id: UUID
    county_code: str
    courses: tuple[OrderCourse, ...]
    state: OrderState
    fee_fen: int
    held_until: datetime
    created_at: datetime
    payment_code: str | None = None

    @property
    def is_holding(self) -> bool:
        """Whether its seats are held and not yet paid."""
        return self.state in HOLDING_STATES

    @property
    def slots(self) -> frozenset[int]:
        """The slots of all its courses."""
        return frozenset(course.slot for course in self.courses)


class OrderEvent(NamedTuple):
    """One line of an order's history: who did what, and where the order stands since."""

    order_id: UUID
    from_state: OrderState | None
    to_state: OrderState
    action: OrderAction
    actor: str


def seat_changes(orders: Iterable[Order], each: SeatChange) -> dict[SeatKey, SeatChange]:
    """How the ledger of one session changes when every seat of `orders` changes by `each`."""
    counts = Counter(SeatKey(order.county_code, slot) for order in orders for slot in order.slots)
    return {
        key: SeatChange(each.held * count, each.confirmed * count)
        for key, count in sorted(counts.items())
    }


def courses_in(session: Session, course_codes: Sequence[str]) -> tuple[OrderCourse, ...]:
    """The courses with their slots, in the order of slots; every code must be the session's."""
    courses = (OrderCourse(code, session.course_by_code[code].slot) for code in course_codes)
    return tuple(sorted(courses, key=lambda course: course.slot))
