"""What the service keeps of candidates and their orders."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.allocation import Holding, SeatChange, SeatKey
from zikao_enrollment.domain.order_states import HOLDING_STATES, OrderAction, OrderState
from zikao_enrollment.domain.timetable import Session, Track

ACTIVE = "active"
MAX_KNOWN_COURSES = 10_000
_STANDINGS_ZH = {
    "graduated": "已毕业",
    "transfer_requested": "转考申请办理中",
    "transferred_out": "已转出",
    "blocked": "考试机构限制报考",
}


class Candidate(NamedTuple):
    """The projection of a candidate: what decides eligibility, nothing personal."""

    candidate_id: UUID
    track: Track
    standing: str
    standing_reason: str


class Standing(NamedTuple):
    """What decides eligibility, whoever it is of: thousands share one."""

    track: Track
    standing: str
    standing_reason: str

    def require_eligible(self) -> None:
        """Only active candidates enroll. Raises DomainError NOT_ELIGIBLE."""
        if error := self.standing_error():
            raise error

    def standing_error(self) -> DomainError | None:
        """NOT_ELIGIBLE for who is not active, or None."""
        if self.standing == ACTIVE:
            return None
        return DomainError(
            "NOT_ELIGIBLE",
            standing=self.standing,
            detail=self.standing_reason or _STANDINGS_ZH.get(self.standing, self.standing),
        )


class NotYetKnown(DomainError):  # noqa: N818 - it is what is said
    """NOT_ELIGIBLE for somebody of whom registration has said nothing yet: to ask it may help."""

    def __init__(self) -> None:
        super().__init__("NOT_ELIGIBLE", standing="unknown", detail="尚未取得准考证号")


class OrderCourse(NamedTuple):
    """One course of an order with its slot."""

    course_code: str
    slot: int


class Terms(NamedTuple):
    """An order but for whose it is: those of a batch who took the same share them. Fee in fen."""

    session_code: str
    county_code: str
    courses: tuple[OrderCourse, ...]
    state: OrderState
    fee_fen: int
    held_until: datetime
    created_at: datetime


class Order(NamedTuple):
    """Courses of one candidate in one county, taken and paid together."""

    order_id: UUID
    candidate_id: UUID
    terms: Terms
    payment_code: str | None = None

    @property
    def session_code(self) -> str:
        """The examination session."""
        return self.terms.session_code

    @property
    def county_code(self) -> str:
        """Where its seats are."""
        return self.terms.county_code

    @property
    def courses(self) -> tuple[OrderCourse, ...]:
        """What it is for, in the order of slots."""
        return self.terms.courses

    @property
    def state(self) -> OrderState:
        """Where it stands."""
        return self.terms.state

    @property
    def fee_fen(self) -> int:
        """What it costs, in fen."""
        return self.terms.fee_fen

    @property
    def held_until(self) -> datetime:
        """When its hold ends."""
        return self.terms.held_until

    @property
    def created_at(self) -> datetime:
        """When it was submitted."""
        return self.terms.created_at

    def on(self, **changes: Any) -> "Order":
        """The order on other terms: `state`, `county_code`, `courses`, `fee_fen`."""
        return self._replace(terms=self.terms._replace(**changes))

    @property
    def is_holding(self) -> bool:
        """Whether its seats are held and not yet paid."""
        return self.state in HOLDING_STATES

    def require_hold(self, now: datetime) -> None:
        """Raise DomainError HOLD_EXPIRED for one that was not paid before its deadline."""
        if self.state is not OrderState.CONFIRMED and now >= self.held_until:
            raise DomainError("HOLD_EXPIRED", held_until=self.held_until.isoformat())

    @property
    def is_seated(self) -> bool:
        """Whether it has seats, held or confirmed."""
        return self.state is not OrderState.RELEASED

    @property
    def slots(self) -> frozenset[int]:
        """The slots of all its courses."""
        return frozenset(course.slot for course in self.courses)

    @property
    def holding(self) -> Holding:
        """The seats of all its courses."""
        return Holding(self.county_code, self.slots)

    @property
    def seats(self) -> Holding | None:
        """The seats that it has, held or confirmed."""
        return self.holding if self.is_seated else None


class OrderEvent(NamedTuple):
    """One line of an order's history: who did what, and where the order stands since."""

    order_id: UUID
    from_state: OrderState | None
    to_state: OrderState
    action: OrderAction
    actor: str


class Move(NamedTuple):
    """One step of an order."""

    before: Order
    after: Order
    action: OrderAction
    actor: str

    @property
    def event(self) -> OrderEvent:
        """The line of history that it leaves."""
        before, after = self.before.state, self.after.state
        return OrderEvent(self.after.order_id, before, after, self.action, self.actor)


class Share(NamedTuple):
    """New orders on the same terms."""

    terms: Terms
    order_ids: Sequence[UUID]
    candidate_ids: Sequence[UUID]


def ledger_changes(moves: Sequence[Move], new: Iterable[Share] = ()) -> dict[SeatKey, SeatChange]:
    """How the ledger of one session changes by what its orders do, and by new ones, sorted."""
    held: Counter[SeatKey] = Counter()
    confirmed: Counter[SeatKey] = Counter()
    for terms, count in _counted(moves, new):
        if terms.state is not OrderState.RELEASED:
            column = held if terms.state in HOLDING_STATES else confirmed
            for course in terms.courses:
                column[SeatKey(terms.county_code, course.slot)] += count
    changes = {key: SeatChange(held[key], confirmed[key]) for key in {*held, *confirmed}}
    return {key: change for key, change in sorted(changes.items()) if any(change)}


def _counted(moves: Sequence[Move], new: Iterable[Share]) -> Iterator[tuple[Terms, int]]:
    """How many more orders there are on which terms."""
    for share in new:
        yield share.terms, len(share.order_ids)
    for before, after, *_ in moves:
        yield before.terms, -1
        yield after.terms, 1


def shares(orders: Iterable[Order]) -> list[Share]:
    """The orders by the terms that they share; not those of terms that are equal by chance."""
    # By identity: to compare or hash terms takes longer than all else that is done with them.
    found: defaultdict[int, list[Order]] = defaultdict(list)
    for order in orders:
        found[id(order.terms)].append(order)
    return [
        Share(each[0].terms, [order.order_id for order in each], [o.candidate_id for o in each])
        for each in found.values()
    ]


def courses_in(session: Session, course_codes: tuple[str, ...]) -> tuple[OrderCourse, ...]:
    """The courses with their slots, in the order of slots; every code must be the session's.

    Kept with the session, for all who want the same.
    """
    known = session.known_courses
    found = known.get(course_codes)
    if isinstance(found, tuple):
        return found
    courses = [OrderCourse(code, session.course_by_code[code].slot) for code in course_codes]
    if len(known) >= MAX_KNOWN_COURSES:
        known.clear()
    made = known[course_codes] = tuple(sorted(courses, key=_slot_of))
    return made


_slot_of = attrgetter("slot")
