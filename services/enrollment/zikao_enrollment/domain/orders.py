"""What the service keeps of candidates and their orders."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.order_states import HOLDING_STATES, OrderState
from zikao_enrollment.domain.timetable import Session, Track

ACTIVE = "active"
UNKNOWN_STANDING = "unknown"
_STANDINGS_ZH = {
    "graduated": "已毕业",
    "transfer_requested": "转考申请办理中",
    "transferred_out": "已转出",
    "blocked": "考试机构限制报考",
}


@dataclass(frozen=True)
class Candidate:
    """The projection of a candidate: what decides eligibility, nothing personal.

    Ticket number and registering county are kept for lists; no rule asks for them.
    """

    candidate_id: UUID
    track: Track
    standing: str
    standing_reason: str
    ticket_number: str = ""
    county_code: str = ""

    def require_eligible(self) -> None:
        """Only active candidates enroll. Raises DomainError NOT_ELIGIBLE."""
        if self.standing != ACTIVE:
            raise DomainError(
                "NOT_ELIGIBLE",
                standing=self.standing,
                detail=self.standing_reason or _STANDINGS_ZH.get(self.standing, self.standing),
            )


def not_yet_known() -> DomainError:
    """NOT_ELIGIBLE for somebody of whom registration has said nothing yet."""
    return DomainError("NOT_ELIGIBLE", standing=UNKNOWN_STANDING, detail="尚未取得准考证号")


def is_not_yet_known(error: DomainError) -> bool:
    """Whether an error is `not_yet_known`: asking registration may help."""
    return error.metadata.get("standing") == UNKNOWN_STANDING


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


def courses_in(session: Session, course_codes: Sequence[str]) -> tuple[OrderCourse, ...]:
    """The courses with their slots, in the order of slots; every code must be the session's."""
    courses = (OrderCourse(code, session.courses[code].slot) for code in course_codes)
    return tuple(sorted(courses, key=lambda course: course.slot))
