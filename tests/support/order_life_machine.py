"""What may happen to orders and their money, in any order, at one of two replicas or the other."""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.enrollment_offices import capacities
from support.enrollment_people import (
    application,
    cancellation,
    change,
    pay,
    payment_request,
    plan,
    submission,
)
from support.enrollment_sessions import small_session
from support.order_life_model import COUNTIES, SLOTS, Attempt, Courses, Model, Order, Payment
from support.order_life_world import CANDIDATES, SEATS, RefundMood, World
from zikao.enrollment.v1 import types_pb2 as types
from zikao.payment.v1 import payment_platform_service_pb2 as payment_pb
from zikao_kit.convert import time_from_pb

# What happens, each so often.
HAPPENINGS = {
    "submit": 5,
    "create_payment": 5,
    "pay": 5,
    "pay_again": 2,
    "tell": 4,
    "change": 4,
    "cancel": 1,
    "save_plan": 3,
    "ask": 2,
    "time_passes": 3,
    "expire": 3,
    "refund": 3,
    "capacity": 1,
    "office": 2,
    "platform_goes_or_comes": 1,
    "replica_goes_or_comes": 2,
}
# The replica that takes such a submission stops meanwhile.
IN_DOUBT = 8
COURSES = [("00001",), ("00003",), ("00001", "00003"), ("00002", "00003"), ("00002",)]

T = TypeVar("T")


class Details(NamedTuple):
    """To whom or what something happens, and how; what it has no use for it leaves."""

    number: int
    chosen: int
    courses: Courses
    counties: Courses
    how: int
    # At which of the two.
    replica: int


happenings = st.sampled_from([name for name, weight in HAPPENINGS.items() for _ in range(weight)])
details = st.builds(
    Details,
    number=st.integers(1, CANDIDATES),
    # One of the last few.
    chosen=st.integers(0, 5),
    courses=st.sampled_from(COURSES),
    counties=st.sampled_from([COUNTIES, COUNTIES[::-1], COUNTIES[:1], COUNTIES[1:]]),
    how=st.integers(0, 8),
    replica=st.integers(0, 1),
)


class OrderLife(RuleBasedStateMachine):
    """Everything that may happen to orders and their money, one thing after the other."""

    world: ClassVar[World]
    runner: ClassVar[asyncio.Runner]
    # What has happened in all examples, how often each.
    happened: ClassVar[Counter[str]] = Counter()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do one thing."""
        return self.runner.run(work)

    def order(self, chosen: int) -> Order:
        """One of the orders, the last ones rather."""
        return _last(self.model.orders, chosen)

    @initialize()
    def begin(self) -> None:
        """An empty session."""
        self.model = Model({(county, slot): SEATS for county in COUNTIES for slot in SLOTS})
        self.run(self._begin())

    async def _begin(self) -> None:
        await self.world.begin()
        await self._apply(SEATS, SEATS)

    @rule(what=happenings, to=details)
    def happens(self, what: str, to: Details) -> None:
        """One thing; nothing where there is nothing yet to which it could happen."""
        needed = {
            "change": self.model.orders,
            "cancel": self.model.orders,
            "create_payment": self.model.orders,
            "pay": self._payable(),
            "pay_again": self._paid(),
            "tell": self.model.payments,
            "ask": self._attempts(),
        }
        if needed.get(what, True):
            self.happened[what] += 1
            self.world.chosen = to.replica
            getattr(self, what)(to)

    def submit(self, to: Details) -> None:
        """Seats in the first county that has them, beside what the candidate has."""
        number, courses, counties = to.number, to.courses, to.counties
        refusal, county = self.model.place(number, courses, counties)
        request = submission(courses, counties)
        ask = self.world.answer_in_doubt if to.how == IN_DOUBT else self.world.answer
        answer = self.run(ask(number, request))
        if refusal:
            assert answer == refusal
            return
        # Who has not heard the answer asks again, perhaps at the other.
        self.world.chosen = to.how % 2
        assert self.run(self.world.answer(number, request)) == answer
        order = answer.order
        assert order.county_code == county
        until = time_from_pb(order.held_until)
        self.model.orders.append(Order(order.order_id, number, county, courses, until))

    def save_plan(self, to: Details) -> None:
        """Consent to being moved, or not."""
        number, counties, may_move = to.number, to.counties, to.how > 0
        if self.model.seated(number):
            return
        answer = self.run(self.world.answer(number, plan(("00001",), counties, may_move)))
        assert not isinstance(answer, str), answer
        self.model.may_move[number] = counties if may_move else ()

    def change(self, to: Details) -> None:
        """Other seats for what is not paid, or all stays."""
        order = self.order(to.chosen)
        now, is_away = self.world.running.now(), self.world.is_away
        expected = self.model.change(order, to.courses, to.counties, now=now, is_away=is_away)
        request = change(types.Order(order_id=order.name), to.courses, to.counties)
        answer = self.run(self.world.answer(order.number, request))
        assert (answer if isinstance(answer, str) else "") == expected

    def cancel(self, to: Details) -> None:
        """Seats go back, at once or when the platform has answered."""
        order = self.order(to.chosen)
        self.model.cancel(order, is_away=self.world.is_away)
        request = cancellation(types.Order(order_id=order.name))
        answer = self.run(self.world.answer(order.number, request))
        if order.state == "CONFIRMED":
            assert answer == "STATE_NOT_ALLOWED"
        else:
            assert types.OrderState.Name(answer.order.state) == f"ORDER_STATE_{order.state}"

    def create_payment(self, to: Details) -> None:
        """A code to pay with, the same as long as the attempt is open."""
        order = self.order(to.chosen)
        expired = self.model.expired(order, self.world.running.now())
        request = payment_request(types.Order(order_id=order.name))
        answer = self.run(self.world.answer(order.number, request))
        if expired or order.state not in ("HELD", "PAYING"):
            assert answer == ("HOLD_EXPIRED" if expired else "STATE_NOT_ALLOWED")
            return
        order.state = "PAYING"
        if order.opened is None:
            order.attempts.append(Attempt(self.run(self._opened(order)), order.fee_fen))
        attempt = order.opened
        assert attempt is not None
        if attempt.code is None and self.world.is_away:
            assert answer == "OVERLOADED"
            return
        assert answer.amount_fen == attempt.amount_fen
        assert attempt.code in (None, answer.payment_code)
        if attempt.code is None:
            attempt.code, attempt.at_platform = answer.payment_code, "open"

    async def _opened(self, order: Order) -> str:
        name = await self.world.eyes.fetchval(
            "SELECT payment_order_id FROM enrollment.payment_order"
            " WHERE order_id = $1 AND state = 'open'",
            order.name,
        )
        return str(name)

    def _attempts(self) -> list[tuple[Order, Attempt]]:
        return [(order, attempt) for order in self.model.orders for attempt in order.attempts]

    def _payable(self) -> list[tuple[Order, Attempt]]:
        return [(order, attempt) for order, attempt in self._attempts() if attempt.code]

    def _paid(self) -> list[tuple[Order, Attempt]]:
        return [(order, attempt) for order, attempt in self._attempts() if attempt.payments]

    def pay(self, to: Details) -> None:
        """At the platform: in time, late, or another amount; we may be told, or not."""
        self._pay(*_last(self._payable(), to.chosen), to)

    def pay_again(self, to: Details) -> None:
        """With a code that was paid with already."""
        self._pay(*_last(self._paid(), to.chosen), to)

    def _pay(self, order: Order, attempt: Attempt, to: Details) -> None:
        assert attempt.code is not None
        amount_fen = attempt.amount_fen + (-1 if to.how == 0 else 3500 if to.how == 1 else 0)
        made = self.run(pay(self.world.running, attempt.code, amount_fen, after_close=True))
        payment = Payment(made.payment_id, order, attempt, amount_fen)
        attempt.at_platform = "paid"
        attempt.payments.append(payment)
        self.model.payments.append(payment)
        if to.how > 4:
            self._tell(payment)

    def tell(self, to: Details) -> None:
        """Word of a payment comes: late, twice, in any order."""
        self._tell(_last(self.model.payments, to.chosen))

    def _tell(self, payment: Payment) -> None:
        self.model.deliver(payment)
        word = payment_pb.Payment(
            payment_id=payment.name,
            order_id=payment.attempt.name,
            amount_fen=payment.amount_fen,
        )
        word.paid_at.GetCurrentTime()
        self.run(self.world.notify(word))

    def ask(self, to: Details) -> None:
        """The platform is asked about one attempt, of which it tells all."""
        order, attempt = _last(self._attempts(), to.chosen)
        if not self.world.is_away:
            self.model.ask(order, attempt)
        self.run(self._ask(attempt))

    async def _ask(self, attempt: Attempt) -> None:
        await self.world.ask_about(attempt.name)
        await self.world.queries.work()

    def time_passes(self, to: Details) -> None:
        """Holds end; never within a minute of now, whatever the sum."""
        self.run(self.world.advance(timedelta(minutes=16 if to.how < 6 else 31)))

    def expire(self, _: Details) -> None:
        """What has ended is closed at the platform first, and then released."""
        now = self.world.running.now()
        self.run(self._expire())
        self.model.expire(now, is_away=self.world.is_away)

    async def _expire(self) -> None:
        await self.world.eyes.execute(
            "UPDATE enrollment.enrollment_order SET lease_until = now() WHERE state = 'closing'"
        )
        await self.world.expiry.release_unpaid()
        await self.world.expiry.close_paying()

    def refund(self, to: Details) -> None:
        """What is owed goes back, or the platform refuses, takes its time, or is not heard."""
        moods = list(RefundMood)
        mood = moods[to.how % len(moods)]
        self.run(self._refund(mood))
        if not self.world.is_away:
            self.model.refund(
                refused=mood is RefundMood.REFUSED,
                under_way=mood is RefundMood.UNDER_WAY,
                made=mood is RefundMood.MADE,
            )

    async def _refund(self, mood: RefundMood) -> None:
        self.world.refund_mood = mood
        await self.world.eyes.execute("UPDATE enrollment.refund SET next_attempt_at = now()")
        while await self.world.refunds.work():
            pass

    def platform_goes_or_comes(self, _: Details) -> None:
        """The platform is away until this happens again."""
        self.world.is_away = not self.world.is_away

    def capacity(self, to: Details) -> None:
        """Seats come and go, but never those that somebody has."""
        first, second = 1 + to.how // 3, 1 + to.how % 3
        seats = dict(zip(COUNTIES, (first, second), strict=True))
        expected = self.model.resize({(c, slot): seats[c] for c in COUNTIES for slot in SLOTS})
        answer = self.run(self._apply(first, second))
        assert (answer if isinstance(answer, str) else "") == expected

    def office(self, to: Details) -> None:
        """An office has more seats, or fewer, in one slot or two; all of that or nothing."""
        county = COUNTIES[to.chosen % 2]
        wanted = {(county, slot): (to.how + slot * to.number) % 4 for slot in SLOTS}
        if to.chosen > 1:
            del wanted[county, 1 + to.how % 2]
        expected = self.model.resize(wanted)
        request = capacities(*((*key, seats) for key, seats in wanted.items()), prefix=county)
        answer = self.run(self.world.office(county, request))
        assert (answer if isinstance(answer, str) else "") == expected

    async def _apply(self, first: int, second: int) -> Any:
        session = small_session(SEATS)
        counties = (
            type(county)(county.code, county.name, (seats, seats))
            for county, seats in zip(session.counties, (first, second), strict=True)
        )
        session = type(session)(**{**vars(session), "counties": tuple(counties)})
        return await self.world.operate(application(session))

    def replica_goes_or_comes(self, to: Details) -> None:
        """One of the two ends, and the other goes on alone until the next time."""
        self.run(self.world.replica_goes_or_comes(to.replica))

    @invariant()
    def the_service_is_as_its_model(self) -> None:
        """Ledger, orders and money, after every step."""
        if not hasattr(self, "model"):
            return
        self.runner.run(self._compare())

    async def _compare(self) -> None:
        eyes, model = self.world.eyes, self.model
        ledger = await eyes.fetch("SELECT * FROM enrollment.seat_ledger")
        assert {(r["county_code"], r["slot"]): tuple(r)[3:6] for r in ledger} == model.ledger()
        orders = await eyes.fetch(
            "SELECT order_id::text, upper(state), county_code, course_codes, fee_fen"
            " FROM enrollment.enrollment_order"
        )
        assert {row[0]: tuple(row)[1:] for row in orders} == {
            o.name: (o.state, o.county, list(o.courses), o.fee_fen) for o in model.orders
        }
        money = await eyes.fetch(
            "SELECT payment_id, CASE WHEN refund_id IS NULL THEN 'applied'"
            " WHEN refunded_at IS NULL THEN 'owed' ELSE 'refunded' END, payment.amount_fen, refusal"
            " FROM enrollment.payment LEFT JOIN enrollment.refund USING (payment_id)"
        )
        assert {row[0]: tuple(row)[1:] for row in money} == {
            p.name: (p.outcome, p.amount_fen, p.refusal) for p in model.payments if p.outcome
        }

    def teardown(self) -> None:
        """At the end the live auditor finds nothing."""
        now = self.world.running.now() - timedelta(days=3)
        found = self.runner.run(self.world.violations(now))
        assert not found, found


def _last(found: Sequence[T], chosen: int) -> T:
    """One of the last few."""
    return found[-1 - chosen % len(found)]
