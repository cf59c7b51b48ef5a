"""What must become of orders and money, in the simplest words: the model of their whole life.

It knows no batches, locks or transactions. What it says is compared with the running service.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

COUNTIES = ("510104", "510105")
SLOT_OF = {"00001": 1, "00002": 1, "00003": 2}
SLOTS = (1, 2)
FEE_FEN = 3500
SEATED = ("HELD", "PAYING", "CLOSING", "CONFIRMED")

Courses = tuple[str, ...]
Counties = tuple[str, ...]


@dataclass(eq=False)
class Attempt:
    """An attempt to pay an order: as it is here, and as it is at the platform (None: unknown)."""

    name: str
    amount_fen: int
    code: str | None = None
    is_open: bool = True
    at_platform: str | None = None
    payments: list["Payment"] = field(default_factory=list)


@dataclass(eq=False)
class Order:
    """An order of candidate `number`."""

    name: str
    number: int
    county: str
    courses: Courses
    held_until: datetime
    state: str = "HELD"
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def fee_fen(self) -> int:
        """What it costs."""
        return FEE_FEN * len(self.courses)

    @property
    def slots(self) -> set[int]:
        """Where it sits."""
        return {SLOT_OF[course] for course in self.courses}

    @property
    def is_seated(self) -> bool:
        """Whether it has seats."""
        return self.state in SEATED

    @property
    def opened(self) -> Attempt | None:
        """The open attempt to pay it."""
        return next((attempt for attempt in self.attempts if attempt.is_open), None)


@dataclass(eq=False)
class Payment:
    """Money at the platform; `outcome` once word of it has come: applied, owed or refunded.

    `refusal` is why the platform does not give it back.
    """

    name: str
    order: Order
    attempt: Attempt
    amount_fen: int
    outcome: str | None = None
    refusal: str | None = None


@dataclass
class Model:
    """All that there is. What cannot be had is answered by its reason."""

    # Seats by county and slot.
    capacity: dict[tuple[str, int], int]
    orders: list[Order] = field(default_factory=list)
    payments: list[Payment] = field(default_factory=list)
    # Counties of saved plans whose candidates consent to being moved.
    may_move: dict[int, Counties] = field(default_factory=dict)

    def used(self, county: str, slot: int) -> int:
        """Seats of a ledger row that somebody has."""
        return sum(o.is_seated and o.county == county and slot in o.slots for o in self.orders)

    def seated(self, number: int, but: Order | None = None) -> list[Order]:
        """The orders of a candidate that have seats, without one."""
        return [o for o in self.orders if o.number == number and o.is_seated and o is not but]

    def place(
        self, number: int, courses: Courses, counties: Counties, order: Order | None = None
    ) -> tuple[str, str]:
        """("", county) where the courses can be had, for an order that has seats or none yet."""
        wanted = {SLOT_OF[course] for course in courses}
        if others := self.seated(number, order):
            county = others[0].county
            if county not in counties or any(wanted & other.slots for other in others):
                return "ALREADY_ENROLLED", ""
            counties = (county,)
        for county in counties:
            own = order.slots if order and order.is_seated and order.county == county else set()
            full = [s for s in wanted - own if self.used(county, s) >= self.capacity[county, s]]
            if not full:
                return "", county
        return "SOLD_OUT", ""

    def expired(self, order: Order, now: datetime) -> bool:
        """Whether its hold has ended unpaid."""
        return order.state != "CONFIRMED" and now >= order.held_until

    def deliver(self, payment: Payment) -> None:
        """Word of a payment comes, for the first time or again."""
        if payment.outcome is not None:
            return
        order = payment.order
        payment.attempt.is_open = False
        payment.outcome = "owed"
        if payment.amount_fen != order.fee_fen or order.state == "CONFIRMED":
            return
        if order.state == "RELEASED":
            counties = dict.fromkeys((order.county, *self.may_move.get(order.number, ())))
            refusal, county = self.place(order.number, order.courses, tuple(counties))
            if refusal:
                return
            order.county = county
        order.state, payment.outcome = "CONFIRMED", "applied"

    def resize(self, wanted: dict[tuple[str, int], int]) -> str:
        """More or fewer seats: the reason of the refusal when somebody would lose one, or ""."""
        if any(seats < self.used(*key) for key, seats in wanted.items()):
            return "SESSION_CHANGE_REFUSED"
        self.capacity.update(wanted)
        return ""

    def refund(self, *, refused: bool, under_way: bool, made: bool) -> None:
        """The platform is asked for all that is owed, and answers all alike, or is not heard."""
        for payment in self.payments:
            if payment.outcome == "owed" and made:
                payment.outcome, payment.refusal = "refunded", None
            elif payment.outcome == "owed" and refused:
                payment.refusal = "INVALID_REQUEST"
            elif payment.outcome == "owed" and under_way:
                payment.refusal = None

    def close(self, attempt: Attempt) -> None:
        """The platform closes an attempt, tells what was paid, and it is closed here."""
        if attempt.at_platform == "open":
            attempt.at_platform = "closed"
        for payment in list(attempt.payments):
            self.deliver(payment)
        attempt.is_open = False

    def change(
        self, order: Order, courses: Courses, counties: Counties, *, now: datetime, is_away: bool
    ) -> str:
        """The candidate wants other seats: the reason of the refusal, "" when they are had."""
        if order.state == "PAYING":
            if order.opened is not None:
                if self.expired(order, now):
                    return "HOLD_EXPIRED"
                if is_away:
                    return "OVERLOADED"
                self.close(order.opened)
            if order.state == "PAYING":
                order.state = "HELD"
        if self.expired(order, now):
            return "HOLD_EXPIRED"
        if order.state != "HELD":
            return "STATE_NOT_ALLOWED"
        refusal, county = self.place(order.number, courses, counties, order)
        if not refusal:
            order.county, order.courses = county, courses
        return refusal

    def cancel(self, order: Order, *, is_away: bool) -> None:
        """The candidate wants the order no more; one that is paid stays."""
        if order.state == "HELD":
            order.state = "RELEASED"
        elif order.state == "PAYING":
            order.state = "CLOSING"
            self._finish_closing(order, is_away=is_away)

    def expire(self, now: datetime, *, is_away: bool) -> None:
        """Holds that have ended are closed at the platform, if that may know them."""
        for order in self.orders:
            if order.state == "HELD" and self.expired(order, now):
                order.state = "RELEASED"
            if order.state == "PAYING" and self.expired(order, now):
                order.state = "CLOSING"
            if order.state == "CLOSING":
                self._finish_closing(order, is_away=is_away)

    def _finish_closing(self, order: Order, *, is_away: bool) -> None:
        if order.opened is not None and not is_away:
            self.close(order.opened)
        if order.state == "CLOSING" and order.opened is None:
            order.state = "RELEASED"

    def ask(self, order: Order, attempt: Attempt) -> None:
        """The platform tells all of an attempt; what no order needs is closed there."""
        if attempt.is_open and order.state in ("CONFIRMED", "RELEASED"):
            self.close(attempt)
        for payment in list(attempt.payments):
            self.deliver(payment)
        if attempt.at_platform == "closed":
            attempt.is_open = False

    def ledger(self) -> dict[tuple[str, int], tuple[int, int, int]]:
        """(capacity, held, confirmed) of each row."""
        rows: dict[tuple[str, int], Counter[bool]] = {}
        for order in self.orders:
            if order.is_seated:
                for slot in order.slots:
                    counts = rows.setdefault((order.county, slot), Counter())
                    counts[order.state == "CONFIRMED"] += 1
        return {
            (county, slot): (
                self.capacity[county, slot],
                rows.get((county, slot), Counter())[False],
                rows.get((county, slot), Counter())[True],
            )
            for county in COUNTIES
            for slot in SLOTS
        }
