"""Candidates who take seats, change them, give them back and pay, all the time and at one rate.

An open load: a call is made when its time has come, whatever became of the ones before. A
candidate does one thing at a time, and nothing while a call of theirs is in doubt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, TypeAlias
from uuid import UUID, uuid4

import grpc
from google.protobuf.message import Message
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import order_service_pb2 as orders
from zikao.enrollment.v1 import types_pb2 as types
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_client import bearer

from zikao_ctl.faults.portal import Portal
from zikao_ctl.faults.witness import Act, Outcome, Witness
from zikao_ctl.faults.world import Tokens, choices
from zikao_ctl.session_model import SessionFile

CALL_SECONDS = 3.0
# More means that nobody answers for seconds: what comes then is not sent.
MAX_IN_FLIGHT = 600
# Of a call that finds seats held: how it goes on. The rest looks.
CHANGE, CANCEL, PAY = 0.25, 0.40, 0.22
BY_PLAN, BY_PORTAL = 0.25, 0.25
TWICE, WRONG_AMOUNT, AFTER_CLOSE = 0.10, 0.03, 0.05
ODD_FEN = 100
_ENROLLMENT = "/zikao.enrollment.v1.EnrollmentService/"
_ORDERS = "/zikao.enrollment.v1.OrderService/"
_SANDBOX = "/zikao.sandbox.v1.SandboxService/"
Send: TypeAlias = Callable[[], Awaitable[bytes]]
_ANSWERS: Mapping[str, type[Message]] = {
    "SavePlan": enrollment.SavePlanResponse,
    "SubmitPlan": enrollment.SubmitPlanResponse,
    "SubmitEnrollment": enrollment.SubmitEnrollmentResponse,
    "CreatePayment": enrollment.CreatePaymentResponse,
    "ChangeOrder": orders.ChangeOrderResponse,
    "CancelOrder": orders.CancelOrderResponse,
    "PayOrder": sandbox.PayOrderResponse,
}


@dataclass
class Known:
    """An order as its candidate was told last."""

    order: types.Order
    code: str = ""
    paid: bool = False

    @property
    def holds(self) -> bool:
        """Whether it may be changed, given up or paid, as far as the candidate knows."""
        return not self.paid and self.order.state in (
            types.ORDER_STATE_HELD,
            types.ORDER_STATE_PAYING,
        )


@dataclass(eq=False)
class Person:
    """A candidate; `turns` counts what was begun and what has ended."""

    candidate_id: UUID
    orders: dict[str, Known] = field(default_factory=dict)
    busy: bool = False
    in_doubt: bool = False
    turns: int = 0

    @property
    def open_order(self) -> Known | None:
        """One that holds seats, if there is any."""
        return next((known for known in self.orders.values() if known.holds), None)

    @property
    def taken(self) -> int:
        """Courses that cannot be taken any more."""
        return sum(len(known.order.courses) for known in self.orders.values() if known.paid)


class Load:
    """Runs until cancelled; paused for checks that need rest."""

    def __init__(
        self,
        session: SessionFile,
        people: Sequence[UUID],
        tokens: Tokens,
        channels: tuple[grpc.aio.Channel, grpc.aio.Channel],
        *,
        chance: Random,
        per_second: float,
    ) -> None:
        """`channels` lead to enrollment and to the payment platform."""
        self._session = session
        self._tokens = tokens
        self.witness = Witness()
        self._enrollment, self._platform = channels
        self._portal = Portal(self._enrollment)
        self._chance = chance
        self._per_second = per_second
        self.people = [Person(candidate_id) for candidate_id in people]
        self._tasks: set[asyncio.Task[None]] = set()
        self._going = asyncio.Event()
        self._going.set()
        self.sent = self.dropped = 0
        self.paid: dict[str, int] = {}
        """Fen by the id of each payment that the platform has acknowledged."""

    async def run(self) -> None:
        """Make calls at the rate until cancelled; raises what is wrong with one."""
        try:
            await self._make_calls()
        finally:
            await self._portal.close()

    async def _make_calls(self) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while True:
                if not self._going.is_set():
                    await self._going.wait()
                    due = time.monotonic()
                while due <= time.monotonic() and self._going.is_set():
                    due += 1 / self._per_second
                    self._begin(group)
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def pause(self) -> None:
        """Begin nothing more; return when all that was begun has ended."""
        self._going.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def resume(self) -> None:
        """Go on."""
        self._going.set()

    def take_back(self, acts: Sequence[Act]) -> None:
        """What was in doubt is settled: those people may go on, with what they are told."""
        for act in acts:
            act.owner.in_doubt = False
            if act.answer:
                self._learn(act)

    def _begin(self, group: asyncio.TaskGroup) -> None:
        if len(self._tasks) >= MAX_IN_FLIGHT:
            self.dropped += 1
            return
        for _ in range(20):
            person = self._chance.choice(self.people)
            if not person.busy and not person.in_doubt:
                break
        else:
            self.dropped += 1
            return
        self.sent += 1
        person.busy = True
        person.turns += 1
        task = group.create_task(self._turn(person))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _turn(self, person: Person) -> None:
        try:
            await self._next(person)
        finally:
            person.turns += 1
            person.busy = False

    async def _next(self, person: Person) -> None:
        known, dice = person.open_order, self._chance.random()
        if known is None:
            if person.taken < self._session.max_courses:
                await self._submit(person)
            else:
                await self._look(person)
        elif dice < CHANGE:
            await self._change(person, known)
        elif dice < CHANGE + CANCEL:
            await self._cancel(person, known)
        elif dice < CHANGE + CANCEL + PAY:
            await self._pay(person, known)
        else:
            await self._look(person)

    async def _submit(self, person: Person) -> None:
        courses, counties = choices(self._session, self._chance)
        choice = enrollment.EnrollmentChoice(course_codes=courses, county_codes=counties)
        common = {"request_id": str(uuid4()), "session_code": self._session.code}
        dice = self._chance.random()
        if dice >= BY_PLAN:
            request = enrollment.SubmitEnrollmentRequest(**common, choice=choice)
            path, by_portal = _ENROLLMENT + "SubmitEnrollment", dice < BY_PLAN + BY_PORTAL
            await self._mutate(person, path, request, by_portal=by_portal)
            return
        plan = enrollment.SavePlanRequest(**common, choice=choice, may_move_on_late_payment=True)
        outcome = await self._mutate(person, _ENROLLMENT + "SavePlan", plan)
        if outcome is Outcome.ACKNOWLEDGED:
            common["request_id"] = str(uuid4())
            submit = enrollment.SubmitPlanRequest(**common)
            await self._mutate(person, _ENROLLMENT + "SubmitPlan", submit)

    async def _change(self, person: Person, known: Known) -> None:
        courses, counties = choices(self._session, self._chance)
        request = orders.ChangeOrderRequest(
            request_id=str(uuid4()),
            order_id=known.order.order_id,
            choice=enrollment.EnrollmentChoice(course_codes=courses, county_codes=counties),
        )
        await self._mutate(person, _ORDERS + "ChangeOrder", request)

    async def _cancel(self, person: Person, known: Known) -> None:
        request = orders.CancelOrderRequest(request_id=str(uuid4()), order_id=known.order.order_id)
        outcome = await self._mutate(person, _ORDERS + "CancelOrder", request)
        if outcome is Outcome.ACKNOWLEDGED and known.code and self._chance.random() < AFTER_CLOSE:
            await self._pay_code(person, known, after_close=True)

    async def _pay(self, person: Person, known: Known) -> None:
        request = enrollment.CreatePaymentRequest(
            request_id=str(uuid4()), order_id=known.order.order_id
        )
        outcome = await self._mutate(person, _ENROLLMENT + "CreatePayment", request)
        if outcome is not Outcome.ACKNOWLEDGED:
            return
        dice = self._chance.random()
        if dice < WRONG_AMOUNT:
            await self._pay_code(person, known, amount_fen=ODD_FEN)
            return
        await self._pay_code(person, known)
        if dice < WRONG_AMOUNT + TWICE and not person.in_doubt:
            await self._pay_code(person, known)

    async def _pay_code(
        self, person: Person, known: Known, *, amount_fen: int = 0, after_close: bool = False
    ) -> None:
        """Whoever pays has done with the order: what comes of it the books will say."""
        known.paid = True
        request = sandbox.PayOrderRequest(
            request_id=str(uuid4()),
            payment_code=known.code,
            amount_fen=amount_fen,
            after_close=after_close,
        )
        send = self._sender(self._platform, _SANDBOX + "PayOrder", request, person)
        await self._attempt(person, send, _SANDBOX + "PayOrder", request, actor="")

    async def _look(self, person: Person) -> None:
        """Ask how the orders stand that the candidate was told of; what they believe is set right.

        One that no call was answered with stays unknown: it is the books' to find.
        """
        request = enrollment.ListOrdersRequest(session_code=self._session.code, page_size=100)
        send = self._sender(self._enrollment, _ENROLLMENT + "ListOrders", request, person)
        try:
            answer = enrollment.ListOrdersResponse.FromString(await send())
        except grpc.aio.AioRpcError as error:
            self.witness.counts[f"ListOrders.{error.code().name}"] += 1
            return
        self.witness.counts["ListOrders.answered"] += 1
        for order in answer.orders:
            if known := person.orders.get(order.order_id):
                known.order = order

    async def _mutate(
        self, person: Person, path: str, request: Any, *, by_portal: bool = False
    ) -> Outcome:
        actor = str(person.candidate_id)
        send = self._sender(self._enrollment, path, request, person)
        if by_portal:
            send = self._by_portal(person, request, send)
        outcome = await self._attempt(person, send, path, request, actor=actor)
        if outcome is Outcome.REFUSED:
            await self._look(person)
        return outcome

    async def _attempt(
        self, person: Person, send: Send, path: str, request: Any, *, actor: str
    ) -> Outcome:
        """Make a call that changes something, once; learn from its answer."""
        act = Act(path.rpartition("/")[2], actor, UUID(request.request_id), send, person, request)
        outcome = await self.witness.attempt(act)
        if outcome is Outcome.ACKNOWLEDGED:
            self._learn(act)
        elif outcome is Outcome.DOUBTFUL:
            person.in_doubt = True
        return outcome

    def _learn(self, act: Act) -> None:
        person, answer_type = act.owner, _ANSWERS[act.method]
        answer: Any = answer_type.FromString(act.answer)
        if act.method == "PayOrder":
            self.paid[answer.payment.payment_id] = answer.payment.amount_fen
        elif act.method == "CreatePayment":
            person.orders[act.request.order_id].code = answer.payment_code
        elif act.method != "SavePlan":
            known = person.orders.setdefault(answer.order.order_id, Known(answer.order))
            known.order = answer.order

    def _sender(
        self, channel: grpc.aio.Channel, path: str, request: Message, person: Person
    ) -> Send:
        """What makes the call, as often as it is called: the same bytes, a token that is good."""
        body, call = request.SerializeToString(), channel.unary_unary(path, None, None)
        named = path.startswith("/zikao.enrollment")

        async def send() -> bytes:
            metadata = bearer(self._tokens.of(person.candidate_id)) if named else None
            answer: bytes = await call(body, timeout=CALL_SECONDS, metadata=metadata)
            return answer

        return send

    def _by_portal(self, person: Person, request: Any, send: Send) -> Send:
        """By the portal's stream; whoever repeats it does so by a unary call: it is one request."""
        attempts = 0

        async def first_by_portal() -> bytes:
            nonlocal attempts
            attempts += 1
            if attempts > 1:
                return await send()
            token = self._tokens.of(person.candidate_id)
            return await self._portal.submit(token, request, CALL_SECONDS)

        return first_by_portal
