"""The running service for the life of orders: everything that happens is done by the test.

Two replicas of a real service over mutual TLS, the sandbox's platform, a real database. What the
replicas do beside calls is left out but for reading the board; a third one's worth of workers is
driven by hand. Word of payments is lost unless the test brings it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
import pytest
from support.enrollment_people import NOON, open_enrollment
from support.enrollment_service import Installation, Process
from support.enrollment_sessions import small_session
from support.service_databases import MakeDatabase
from zikao.payment.v1 import payment_platform_service_pb2 as payment_pb
from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.domain.invariants import INVARIANTS, cutoffs
from zikao_enrollment.money.till import Till
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.audit import AuditStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.workers.expiry import ExpiryWorker
from zikao_enrollment.workers.payment_queries import PaymentQueryWorker
from zikao_enrollment.workers.refunds import RefundWorker
from zikao_kit.background import repeat
from zikao_kit.channel import open_peer
from zikao_kit.clock import OffsetClock
from zikao_kit.config import DatabaseConfig, PeerConfig
from zikao_kit.db import Database
from zikao_kit.error_table import reason_of
from zikao_kit.errors import INVALID_REQUEST, OVERLOADED, DomainError
from zikao_kit.queries import Queries
from zikao_sandbox.platform import PaymentPlatform

CANDIDATES = 5
SEATS = 2
_CALLERS = ("portal", "operator", "payment-platform")
_AS_LONG_AGO = timedelta(days=1)
# What a replica does beside calls that changes nothing.
_LOOKING = ("board", "token keys")
# In the order in which they can be emptied; with few rows that is quicker than TRUNCATE.
_EVERYTHING = (
    "refund_event, refund, payment, payment_order, enrollment, order_event,"
    " enrollment_order, outbox, idempotency, plan"
)
_HISTORIES = ("order_event", "refund_event")


class RefundMood(Enum):
    """What the platform does with refunds that it is asked for."""

    REFUSED = "refused"
    UNDER_WAY = "under way"
    # It is made, or not: nobody hears of it.
    UNHEARD = "unheard"
    MADE = "made"


class World:
    """What the test does and sees."""

    def __init__(self, running: Installation, db: Database, eyes: asyncpg.Connection) -> None:
        """`eyes` is a connection that looks at what is stored."""
        self.running = running
        self.eyes = eyes
        self.is_away = False
        self.refund_mood = RefundMood.MADE
        self.replicas = (running.enrollment, running.another_enrollment())
        # Which of them is asked, if it runs; the other if it does not.
        self.chosen = 0
        self._db = db

    async def work_with(self, platform: PlatformClient) -> None:
        """Make the workers."""
        clock = OffsetClock(self.running.clock_file)
        boards = Boards(self._db, clock)
        await boards.refresh()
        self.boards = boards
        till = Till(self._db, clock, boards)
        self.expiry = ExpiryWorker(self._db, clock, till, platform)
        self.refunds = RefundWorker(self._db, clock, platform)
        self.queries = PaymentQueryWorker(self._db, till, platform, _AS_LONG_AGO)

    async def begin(self) -> None:
        """Nothing has happened yet, and all are there."""
        self.is_away = False
        for replica in self.replicas:
            await self._start(replica)
        histories = [f"ALTER TABLE enrollment.{name} {{}} TRIGGER USER" for name in _HISTORIES]
        emptied = [f"DELETE FROM enrollment.{name}" for name in _EVERYTHING.split(", ")]
        freed = "UPDATE enrollment.seat_ledger SET held = 0, confirmed = 0"
        async with self.eyes.transaction():
            for statement in (
                *(each.format("DISABLE") for each in histories),
                *emptied,
                freed,
                *(each.format("ENABLE") for each in histories),
            ):
                await self.eyes.execute(statement)
        await self.running.move_clock(NOON)

    async def answer(self, number: int, request: Any) -> Any:
        """What candidate `number` is answered, or the reason of the refusal."""
        return await self._answer("portal", request, self.running.token(str(UUID(int=number))))

    async def answer_in_doubt(self, number: int, request: Any) -> Any:
        """The same when the replica that is asked stops meanwhile, and the other is asked again."""
        if any(each.task is None for each in self.replicas):
            return await self.answer(number, request)
        stopping = self.replicas[self.chosen].stop()
        first, _ = await asyncio.gather(self.answer(number, request), stopping)
        again = await self.answer(number, request)
        assert first in (again, "UNAVAILABLE", None), (first, again)
        return again

    async def office(self, county: str, request: Any) -> Any:
        """What an officer of a county is answered, or the reason of the refusal."""
        token = self.running.token(str(uuid4()), "county_officer", scope=county)
        answer = await self._answer("portal", request, token)
        await self.boards.refresh()
        return answer

    async def operate(self, request: Any) -> Any:
        """What the operator is answered, or the reason of the refusal."""
        answer = await self._answer("operator", request)
        await self.boards.refresh()
        return answer

    async def notify(self, word: payment_pb.Payment) -> None:
        """The platform tells of a payment."""
        told = await self._answer("payment-platform", payment_pb.NotifyPaymentRequest(payment=word))
        assert isinstance(told, payment_pb.NotifyPaymentResponse), told

    async def _answer(self, name: str, request: Any, token: str = "") -> Any:
        asked = self.replicas[self.chosen]
        if asked.task is None:
            asked = self.replicas[1 - self.chosen]
        caller = await self.running.caller(name, asked.port, token)
        try:
            return await caller.call(request)
        except grpc.aio.AioRpcError as error:
            return reason_of(error)

    async def ask_about(self, *attempts: str) -> None:
        """Let the platform be asked about these payment orders alone."""
        await self.eyes.execute(
            "UPDATE enrollment.payment_order SET queries = 0, next_query_at = now()"
            " + CASE WHEN payment_order_id = ANY ($1::uuid[]) THEN interval '0'"
            " ELSE interval '1 day' END",
            attempts,
        )

    async def replica_goes_or_comes(self, number: int) -> None:
        """A replica stops; when one is stopped already, that begins again."""
        stopped = [each for each in self.replicas if each.task is None]
        if not stopped:
            await self.replicas[number].stop()
        for each in stopped:
            await self._start(each)

    async def _start(self, replica: Process) -> None:
        if replica.task is None:
            replica.start()
            await self.running.until_serving(replica)
            # A connection that was lost in the middle of a call is tried again after a pause.
            for name in _CALLERS:
                caller = await self.running.caller(name, replica.port)
                await caller.channel.channel_ready()

    async def advance(self, by: timedelta) -> None:
        """Time passes."""
        await self.running.move_clock(self.running.now() + by)

    async def violations(self, now: datetime) -> dict[str, tuple[str, ...]]:
        """What the live auditor finds."""
        limits = cutoffs(now, _AS_LONG_AGO)
        found = {}
        async with self._db.transaction(read_only=True) as tx:
            for invariant in INVARIANTS:
                finding = await AuditStore(tx).check(invariant, limits.get(invariant))
                if finding.violations:
                    found[invariant] = finding.offenders
        return found


@asynccontextmanager
async def world(
    make_database: MakeDatabase, folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A service, and what drives it."""
    # Whether a county is full is asked of the ledger alone: refusals from memory have their tests.
    patch.setattr("zikao_enrollment.views.boards.MAX_AGE_SECONDS", 0.0)
    patch.setattr("zikao_enrollment.main.repeat", _repeat_what_looks)
    # Time passes often: all see it at once.
    for module in ("zikao_kit.clock", "support.service"):
        patch.setattr(f"{module}.OFFSET_RECHECK_SECONDS", 0.001)
    patch.setattr(PaymentPlatform, "_owe_notifications", lambda *_: None)
    session = small_session(SEATS)
    async with open_enrollment(
        make_database, folder, session=session, candidates=CANDIDATES
    ) as running:
        config = DatabaseConfig(dsn=running.dsn)
        eyes = await asyncpg.connect(running.dsn)
        contract = payment_pb.DESCRIPTOR.services_by_name["PaymentPlatformService"]
        peer = PeerConfig(f"127.0.0.1:{running.platform_port}", "payment-platform")
        async with (
            await Database.connect(config, Queries.load(PACKAGE)) as db,
            open_peer(peer, running.ca.issue("enrollment"), contract) as channel,
        ):
            found = World(running, db, eyes)
            _let_it_refund(found, patch)
            _let_it_be_away(found, patch)
            await running.enrollment.stop()
            await found.work_with(PlatformClient(channel))
            yield found
        await eyes.close()


async def _repeat_what_looks(
    name: str, work: Callable[[], Awaitable[bool]], pause_seconds: float
) -> None:
    """What moves orders and money beside the calls is done by the test alone."""
    if name in _LOOKING:
        await repeat(name, work, pause_seconds)


def _let_it_be_away(found: World, patch: pytest.MonkeyPatch) -> None:
    """The platform answers nothing that can be used while it is away."""
    for name in ("create_order", "close_order", "query_order", "refund_payment"):
        real = getattr(PaymentPlatform, name)

        def sometimes(*given: Any, real: Any = real) -> Any:
            if found.is_away:
                raise DomainError(OVERLOADED)
            return real(*given)

        patch.setattr(PaymentPlatform, name, sometimes)


def _let_it_refund(found: World, patch: pytest.MonkeyPatch) -> None:
    """The platform does with refunds as its mood is."""
    real = PaymentPlatform.refund_payment

    def moody(*given: Any) -> Any:
        if found.refund_mood is RefundMood.REFUSED:
            raise DomainError(INVALID_REQUEST)
        refunded_at = real(*given)
        if found.refund_mood is RefundMood.UNHEARD:
            raise DomainError(OVERLOADED)
        return None if found.refund_mood is RefundMood.UNDER_WAY else refunded_at

    patch.setattr(PaymentPlatform, "refund_payment", moody)
