"""The running service for the life of orders: everything that happens is done by the test.

A real service over mutual TLS, the sandbox's platform, a real database. The service's background
work sleeps; a second process' worth of workers is driven by hand. Word of payments is lost unless
the test brings it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from support.enrollment_people import NOON, open_enrollment
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service_databases import MakeDatabase
from zikao.payment.v1 import payment_platform_service_pb2 as payment_pb
from zikao_enrollment.boards import Boards
from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.domain.invariants import INVARIANTS, cutoffs
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.audit import AuditStore
from zikao_enrollment.till import Till
from zikao_enrollment.workers.expiry import ExpiryWorker
from zikao_enrollment.workers.payment_queries import PaymentQueryWorker
from zikao_enrollment.workers.refunds import RefundWorker
from zikao_kit.channel import open_peer
from zikao_kit.clock import OffsetClock
from zikao_kit.config import DatabaseConfig, PeerConfig
from zikao_kit.db import Database
from zikao_kit.error_table import reason_of
from zikao_kit.errors import OVERLOADED, DomainError
from zikao_kit.queries import Queries
from zikao_sandbox.platform import PaymentPlatform

CANDIDATES = 5
SEATS = 2
ASLEEP_SECONDS = 3600.0
_AS_LONG_AGO = timedelta(days=1)
_EVERYTHING = (
    "enrollment_order, enrollment, sitting, order_event, payment_order, payment, refund,"
    " refund_event, outbox, idempotency, plan"
)
_HISTORIES = ("order_event", "refund_event")


class World:
    """What the test does and sees."""

    def __init__(self, running: Installation, db: Database, eyes: asyncpg.Connection) -> None:
        """`eyes` is a connection that looks at what is stored."""
        self.running = running
        self.eyes = eyes
        self.is_away = False
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
        """Nothing has happened yet."""
        self.is_away = False
        tables = ", ".join(f"enrollment.{name.strip()}" for name in _EVERYTHING.split(","))
        async with self.eyes.transaction():
            for table in _HISTORIES:
                await self.eyes.execute(f"ALTER TABLE enrollment.{table} DISABLE TRIGGER USER")
            await self.eyes.execute(f"TRUNCATE {tables} CASCADE")
            for table in _HISTORIES:
                await self.eyes.execute(f"ALTER TABLE enrollment.{table} ENABLE TRIGGER USER")
        await self.eyes.execute("UPDATE enrollment.seat_ledger SET held = 0, confirmed = 0")
        await self.running.move_clock(NOON)

    async def answer(self, number: int, request: Any) -> Any:
        """What candidate `number` is answered, or the reason of the refusal."""
        return await _answer((await self.running.candidate(number)).call(request))

    async def operate(self, request: Any) -> Any:
        """What the operator is answered, or the reason of the refusal."""
        return await _answer((await self.running.operator()).call(request))

    async def notify(self, word: payment_pb.Payment) -> None:
        """The platform tells of a payment."""
        platform = await self.running.caller("payment-platform")
        await platform.call(payment_pb.NotifyPaymentRequest(payment=word))

    async def ask_about(self, *attempts: str) -> None:
        """Let the platform be asked about these payment orders alone."""
        await self.eyes.execute(
            "UPDATE enrollment.payment_order SET queries = 0, next_query_at = now()"
            " + CASE WHEN payment_order_id = ANY ($1::uuid[]) THEN interval '0'"
            " ELSE interval '1 day' END",
            attempts,
        )

    async def restart(self) -> None:
        """The service's process ends and begins again, and asks the platform about nothing."""
        await self.ask_about()
        await self.running.enrollment.stop()
        self.running.enrollment.start()
        await self.running.until_serving(self.running.enrollment)

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


async def _answer(call: Any) -> Any:
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        return reason_of(error)


@asynccontextmanager
async def world(
    make_database: MakeDatabase, folder: Path, patch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """A service, and what drives it."""
    # Whether a county is full is asked of the ledger alone: refusals from memory have their tests.
    patch.setattr("zikao_enrollment.boards.MAX_AGE_SECONDS", 0.0)
    patch.setattr(PaymentPlatform, "_owe_notifications", lambda *_: None)
    session = small_session(SEATS)
    async with open_enrollment(
        make_database, folder, session=session, candidates=CANDIDATES
    ) as running:
        running.poll_seconds = ASLEEP_SECONDS
        config = DatabaseConfig(dsn=running.dsn)
        eyes = await asyncpg.connect(running.dsn)
        contract = payment_pb.DESCRIPTOR.services_by_name["PaymentPlatformService"]
        peer = PeerConfig(f"127.0.0.1:{running.platform_port}", "payment-platform")
        async with (
            await Database.connect(config, Queries.load(PACKAGE)) as db,
            open_peer(peer, running.ca.issue("enrollment"), contract) as channel,
        ):
            found = World(running, db, eyes)
            _let_it_be_away(found, patch)
            await found.restart()
            await found.work_with(PlatformClient(channel))
            yield found
        await eyes.close()


def _let_it_be_away(found: World, patch: pytest.MonkeyPatch) -> None:
    """The platform answers nothing that can be used while it is away."""
    for name in ("create_order", "close_order", "query_order", "refund_payment"):
        real = getattr(PaymentPlatform, name)

        def sometimes(*given: Any, real: Any = real) -> Any:
            if found.is_away:
                raise DomainError(OVERLOADED)
            return real(*given)

        patch.setattr(PaymentPlatform, name, sometimes)
