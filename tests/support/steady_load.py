"""Calls to all three services that go on and on, each counted when it ends, well or not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

import grpc
from support.enrollment_people import submission
from support.probe import LOST_STATUS
from support.registration_people import account_request
from support.service import new_id, until
from support.tickets_database import SESSION
from support.tickets_service import session_message
from zikao.enrollment.v1 import availability_service_pb2 as availability
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.payment.v1 import payment_platform_service_pb2_grpc as payment_grpc
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.tickets.v1 import session_service_pb2 as ticket_sessions
from zikao.tickets.v1 import ticket_feed_service_pb2 as ticket_feed
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao_client import ZikaoClient, bearer
from zikao_client.client import Endpoints
from zikao_kit.channel import open_peer
from zikao_kit.config import PeerConfig
from zikao_kit.convert import time_to_pb
from zikao_kit.tls import DevelopmentCa

PAUSE_SECONDS = 0.1
# There are numbers for a few hundred.
ACCOUNT_PAUSE_SECONDS = 0.4
# However starved the machine: to be slow is no failure here.
TIMEOUT_SECONDS = 40.0
SESSION_CODE = "22.1"
OF_A_STREAM = 3
# How streams end with their server, begun or not (docs/errors.md): gRPC repeats none of them.
ENDED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)


@dataclass
class Outcome:
    """What was done how often, what failed, and how often subscriptions had to begin again."""

    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    begun: Counter[str] = field(default_factory=Counter)


@dataclass
class People:
    """Who is new each time, also for the next load of the same installation."""

    token_of: Callable[[UUID], str]
    accounts: Iterator[int] = field(default_factory=lambda: count(1))
    candidates: Iterator[int] = field(default_factory=lambda: count(1))
    payments: Iterator[int] = field(default_factory=lambda: count(1))

    def next_token(self) -> str:
        """Of a candidate who has submitted nothing yet."""
        return self.token_of(UUID(int=next(self.candidates)))


class SteadyLoad:
    """A portal, an operator and a payment platform, all of them clients as we hand them out."""

    def __init__(
        self,
        portal_client: ZikaoClient,
        operator: ZikaoClient,
        notifications: grpc.aio.Channel,
        people: People,
        now: Any,
    ) -> None:
        self.outcome = Outcome()
        self._portal, self._operator = portal_client, operator
        self._notify = payment_grpc.PaymentNotificationServiceStub(notifications).NotifyPayment
        self._people, self._now = people, now
        self._ending = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outcome]:
        """Call as long as the block lasts; then let what has begun end."""
        acts = [
            self._keep("keys", self._read_keys),
            self._keep("account", self._create_account, ACCOUNT_PAUSE_SECONDS),
            self._keep("timetable", self._read_timetable),
            self._keep("submission", self._submit),
            self._keep("submissions of a portal", self._submit_together),
            self._keep("payment", self._pay),
            self._keep("verification data", self._read_verification),
            self._keep("session", self._apply_session),
        ]
        watching = [
            self._watch("seats watched", self._watch_seats),
            self._watch("tickets watched", self._watch_tickets),
        ]
        tasks = [asyncio.create_task(each) for each in acts]
        watchers = [asyncio.create_task(each) for each in watching]
        try:
            await self.until_more()
            yield self.outcome
            await self.until_more()
        finally:
            self._ending = True
            await asyncio.gather(*tasks)
            for each in watchers:
                each.cancel()
            await asyncio.wait(watchers)

    async def until_more(self) -> None:
        """Wait until each has been done some times more."""
        before = Counter(self.outcome.done)
        names = 10

        def all_done() -> bool:
            more = self.outcome.done - before
            return len(more) == names and min(more.values()) >= 3

        await until(lambda: self.outcome.failed or all_done(), 120.0)

    async def _keep(
        self, name: str, act: Callable[[], Awaitable[int]], pause_seconds: float = PAUSE_SECONDS
    ) -> None:
        while not self._ending:
            try:
                self.outcome.done[name] += await act()
            except grpc.aio.AioRpcError as error:
                self.outcome.failed.append(f"{name}: {error.code().name} {error.details()}")
            await asyncio.sleep(pause_seconds)

    async def _watch(self, name: str, begin: Callable[[], Any]) -> None:
        while True:
            self.outcome.begun[name] += 1
            try:
                async for _ in begin():
                    self.outcome.done[name] += 1
            except grpc.aio.AioRpcError as error:
                # So its contract says that it ends: it begins again where it was.
                if error.code() not in ENDED:
                    self.outcome.failed.append(f"{name}: {error.code().name} {error.details()}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _read_keys(self) -> int:
        await self._portal.accounts.ListSigningKeys(
            accounts.ListSigningKeysRequest(), timeout=TIMEOUT_SECONDS
        )
        return 1

    async def _create_account(self) -> int:
        request = account_request(next(self._people.accounts))
        await self._portal.accounts.CreateAccount(request, timeout=TIMEOUT_SECONDS)
        return 1

    async def _read_timetable(self) -> int:
        # Not how many seats are free: a starved process shows none rather than old numbers.
        request = enrollment.GetTimetableRequest(session_code=SESSION_CODE)
        await self._portal.enrollment.GetTimetable(request, timeout=TIMEOUT_SECONDS)
        return 1

    async def _submit(self) -> int:
        token = self._people.next_token()
        await self._portal.enrollment.SubmitEnrollment(
            submission(), timeout=TIMEOUT_SECONDS, metadata=bearer(token)
        )
        return 1

    async def _submit_together(self) -> int:
        sent = [
            portal.Submission(access_token=self._people.next_token(), enrollment=submission())
            for _ in range(OF_A_STREAM)
        ]
        unanswered = {each.enrollment.request_id: each for each in sent}
        while unanswered:
            try:
                await self._stream(unanswered)
            except grpc.aio.AioRpcError as error:
                # So its contract says that it ends: another one, with what was not answered.
                if error.code() not in ENDED and (error.code(), error.details()) != LOST_STATUS:
                    raise
        return len(sent)

    async def _stream(self, unanswered: dict[str, portal.Submission]) -> None:
        """Send them, and take out those that are answered."""
        requests = iter([portal.SubmitEnrollmentsRequest(submissions=unanswered.values())])
        call: Any = self._portal.portals.SubmitEnrollments(requests, timeout=TIMEOUT_SECONDS)
        async for answer in call:
            for result in answer.results:
                del unanswered[result.request_id]
                if result.WhichOneof("outcome") != "enrollment":
                    self.outcome.failed.append(f"submissions of a portal: {result.error.reason}")

    async def _pay(self) -> int:
        paid = payment.Payment(
            payment_id=f"p-{next(self._people.payments)}",
            order_id=new_id(),
            amount_fen=100,
            paid_at=time_to_pb(self._now),
        )
        request = payment.NotifyPaymentRequest(payment=paid)
        await self._notify(request, timeout=TIMEOUT_SECONDS)
        return 1

    async def _read_verification(self) -> int:
        request = verification.GetVerificationDataRequest(session_code=SESSION_CODE)
        await self._portal.verification.GetVerificationData(request, timeout=TIMEOUT_SECONDS)
        return 1

    async def _apply_session(self) -> int:
        request = ticket_sessions.ApplySessionRequest(
            request_id=new_id(), session=session_message(SESSION)
        )
        await self._operator.ticket_sessions.ApplySession(request, timeout=TIMEOUT_SECONDS)
        return 1

    def _watch_seats(self) -> Any:
        request = availability.WatchAvailabilityRequest(session_code=SESSION_CODE)
        return self._portal.availability.WatchAvailability(request)

    def _watch_tickets(self) -> Any:
        return self._operator.ticket_feed.WatchTickets(ticket_feed.WatchTicketsRequest())


@asynccontextmanager
async def steady_load(
    endpoints: Endpoints, ca: DevelopmentCa, people: People, now: Any
) -> AsyncIterator[SteadyLoad]:
    """The load with its connections; it begins with `running`."""
    contract = payment.DESCRIPTOR.services_by_name["PaymentNotificationService"]
    peer = PeerConfig(endpoints.enrollment, "enrollment")
    async with AsyncExitStack() as stack:
        portal_client = await stack.enter_async_context(ZikaoClient(endpoints, ca.issue("portal")))
        operator = await stack.enter_async_context(ZikaoClient(endpoints, ca.issue("operator")))
        notifications = await stack.enter_async_context(
            open_peer(peer, ca.issue("payment-platform"), contract)
        )
        yield SteadyLoad(portal_client, operator, notifications, people, now)
