"""The calls of the first minutes, one round of each kind, for bench_capacity."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
from bench.enrollment_load import STREAM, Load
from bench.enrollment_seeding import (
    COURSES,
    HOT_COUNTY,
    SESSION_CODE,
    SOLD_OUT_COUNTY,
    Candidates,
    Person,
)
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms
from zikao.payment.v1 import payment_platform_service_pb2 as payment

SERVICE = "/zikao.enrollment.v1.EnrollmentService/"
ROOMS = "/zikao.enrollment.v1.WaitingRoomService/"
# A session before its opening, with a room in which people wait.
WAITING_CODE = "22.2"
NOTIFY = "/zikao.payment.v1.PaymentNotificationService/NotifyPayment"
CALLS, STREAMED, PAYMENTS = 2_000, 6_000, 600
# Few at once make small batches, as where many pods share the load; many make large ones, and
# still wait less than what is refused.
FEW, MANY = 8, 64
# As many as the payment gate lets through at once.
AT_THE_PLATFORM = 30
A_ROUND = 5 * CALLS + STREAMED
_ORDERS = """SELECT candidate_id::text, order_id::text FROM enrollment.enrollment_order
WHERE candidate_id = ANY($1::uuid[])"""
_PAYMENT_ORDERS = """SELECT payment_order_id::text, amount_fen FROM enrollment.payment_order
WHERE order_id = ANY($1::uuid[])"""


@dataclass(frozen=True)
class Round:
    """One round of all kinds; a load is made when the one before has been measured.

    `by` of each is who calls: a certificate's name.
    """

    people: Candidates
    database: asyncpg.Connection

    async def loads(self) -> AsyncIterator[tuple[str, str, Load]]:
        """What is measured, whose certificate it is called with, and the load."""
        yield "browse", "portal", self._browse()
        early = self.people.take(CALLS)
        for kind, method, request in (
            ("join", "JoinWaitingRoom", rooms.JoinWaitingRoomRequest),
            ("place", "GetPlace", rooms.GetPlaceRequest),
        ):
            asked = request(session_code=WAITING_CODE).SerializeToString()
            yield kind, "portal", join_or_ask(method, early, asked)
        planners = self.people.take(CALLS)
        yield "plan", "portal", _load("SavePlan", planners, [_plan(each) for each in planners])
        few, took, late = (self.people.take(CALLS) for _ in range(3))
        streamed = self.people.take(STREAMED)
        yield "", "portal", self._seen([*few, *took, *late, *streamed])
        for kind, people, at_once in (("submit", few, FEW), ("submit_full", took, MANY)):
            requests = [
                person.submission(county)
                for person, county in zip(people, self._counties(), strict=False)
            ]
            yield kind, "portal", _load("SubmitEnrollment", people, requests, at_once)
        orders = enrollment.ListOrdersRequest(session_code=SESSION_CODE).SerializeToString()
        yield "orders", "portal", _load("ListOrders", took, [orders] * CALLS)
        refused = [person.submission(SOLD_OUT_COUNTY) for person in late]
        yield "refusal", "portal", _load("SubmitEnrollment", late, refused)
        yield "submit_stream", "portal", Load(0, {}, STREAM, self.people.messages(streamed))
        async for load in self._money([*took, *few]):
            yield load

    def _browse(self) -> Load:
        look = enrollment.GetAvailabilityRequest(
            session_code=SESSION_CODE, county_prefix=HOT_COUNTY
        ).SerializeToString()
        return Load(0, {}, f"{SERVICE}GetAvailability", [look] * CALLS, has_id=True)

    def _seen(self, people: Sequence[Person]) -> Load:
        """Tokens seen once before, as when candidates have looked around."""
        return Load(0, {}, STREAM, self.people.messages(people, session_code="none"))

    def _counties(self) -> Iterator[str]:
        """By their rank as people are: few counties have most of them."""
        counties, rank = self.people.counties, 0.0
        while True:
            # The golden ratio's multiples are spread evenly, without chance.
            rank = (rank + 0.6180339887) % 1
            yield counties[int(math.exp(rank * math.log(len(counties)))) - 1]

    async def _money(self, people: Sequence[Person]) -> AsyncIterator[tuple[str, str, Load]]:
        ids = [person.candidate_id for person in people]
        found = await self.database.fetch(_ORDERS, ids)
        orders: dict[str, str] = {row["candidate_id"]: row["order_id"] for row in found}
        # Some may have been told to come again.
        people = [person for person in people if person.candidate_id in orders][:PAYMENTS]
        codes = [
            enrollment.CreatePaymentRequest(
                request_id=str(uuid4()), order_id=orders[candidate_id]
            ).SerializeToString()
            for candidate_id in (person.candidate_id for person in people)
        ]
        yield "payment_code", "portal", _load("CreatePayment", people, codes, AT_THE_PLATFORM)
        opened = await self.database.fetch(_PAYMENT_ORDERS, list(orders.values()))
        told = [_paid(order_id, amount) for order_id, amount in opened]
        yield "payment", "payment-platform", Load(0, {}, NOTIFY, told, has_id=True, at_once=FEW)


def join_or_ask(method: str, people: Sequence[Person], request: bytes) -> Load:
    """A call of the waiting room by each."""
    tokens = [person.token for person in people]
    return Load(0, {}, ROOMS + method, [request] * len(people), tokens, at_once=MANY)


def _load(
    method: str, people: Sequence[Person], requests: Sequence[bytes], at_once: int = MANY
) -> Load:
    tokens = [person.token for person in people]
    return Load(0, {}, SERVICE + method, requests, tokens, at_once=at_once)


def _plan(person: Person) -> bytes:
    return enrollment.SavePlanRequest(
        request_id=str(uuid4()),
        session_code=SESSION_CODE,
        choice=enrollment.EnrollmentChoice(course_codes=COURSES, county_codes=[HOT_COUNTY]),
    ).SerializeToString()


def _paid(payment_order_id: str, amount_fen: int) -> bytes:
    paid = payment.Payment(
        payment_id=str(uuid4()), order_id=payment_order_id, amount_fen=amount_fen
    )
    paid.paid_at.FromDatetime(datetime.now(UTC))
    return payment.NotifyPaymentRequest(payment=paid).SerializeToString()
