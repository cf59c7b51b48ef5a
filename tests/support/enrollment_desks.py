"""Desks as processes have them: a pool, a board and a batcher each, over one database."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from support.clocks import FixedClock
from support.enrollment_database import NOW
from zikao.enrollment.v1 import enrollment_service_pb2, order_service_pb2, types_pb2
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.wishes import Cancellation, Change, Submission
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.seats.desk import SPARE_SEATS, SUBMISSIONS, Desk, Entry
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.rooms import Rooms
from zikao_kit.background import repeat, running
from zikao_kit.batcher import Batcher
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.idempotency import RequestKey
from zikao_kit.queries import Queries

BOARD_SECONDS = 0.1


@dataclass(frozen=True)
class Instance:
    """What one process has."""

    db: Database
    boards: Boards
    desk: Desk
    batcher: Batcher[Entry]

    async def submit(self, entry: Entry) -> types_pb2.Order:
        """Submit through the batcher; raises the refusal."""
        return order_of(await self.batcher.submit(entry.key, entry))


@asynccontextmanager
async def instance(
    dsn: str, max_batch: int = 500, spare_seats: int = SPARE_SEATS
) -> AsyncIterator[Instance]:
    """A process at the opening of the window; its board is read again and again."""
    db = await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE))
    clock = FixedClock(NOW)
    async with db:
        boards = Boards(db, clock)
        await boards.refresh()
        desk = Desk(db, boards, Rooms(db, boards, clock), clock, spare_seats=spare_seats)
        async with running(repeat("board", boards.work, BOARD_SECONDS)):
            batcher = Batcher(desk.decide, SUBMISSIONS, max_batch=max_batch, in_flight=2)
            yield Instance(db, boards, desk, batcher)


@asynccontextmanager
async def still_desk(
    dsn: str,
    queries: Queries | None = None,
    spare_seats: int = SPARE_SEATS,
    kind: type[Desk] = Desk,
) -> AsyncIterator[tuple[Database, Boards, Desk]]:
    """The same with a board that is read once only, so that nothing else commits.

    `queries` are others than the service's, `kind` another desk, for tests that see them fail.
    """
    db = await Database.connect(DatabaseConfig(dsn=dsn), queries or Queries.load(PACKAGE))
    async with db:
        boards = Boards(db, FixedClock(NOW))
        await boards.refresh()
        rooms = Rooms(db, boards, FixedClock(NOW))
        yield db, boards, kind(db, boards, rooms, FixedClock(NOW), spare_seats=spare_seats)


def entry(
    number: int,
    courses: tuple[str, ...] = ("00001", "00003"),
    counties: tuple[str, ...] = ("510104",),
    request_id: UUID | None = None,
    order_id: UUID | None = None,
) -> Entry:
    """A submission of candidate `number`."""
    body = hashlib.sha256(repr((courses, counties)).encode()).digest()
    key = RequestKey(str(UUID(int=number)), request_id or uuid4(), "SubmitEnrollment", body)
    submission = Submission(order_id or uuid4(), UUID(int=number), Choice(courses, counties))
    return Entry(key, "22.1", submission, enrollment_service_pb2.SubmitEnrollmentResponse)


def change_entry(
    number: int,
    order_id: UUID,
    courses: tuple[str, ...] = ("00001", "00003"),
    counties: tuple[str, ...] = ("510104",),
) -> Entry:
    """A change of an order of candidate `number`."""
    wish = Change(order_id, UUID(int=number), Choice(courses, counties))
    return Entry(_key(number, wish), None, wish, order_service_pb2.ChangeOrderResponse)


def cancel_entry(number: int, order_id: UUID, closed: bool = False) -> Entry:
    """A cancellation of an order of candidate `number`."""
    wish = Cancellation(order_id, UUID(int=number), closed)
    return Entry(_key(number, wish), None, wish, order_service_pb2.CancelOrderResponse)


def _key(number: int, wish: object) -> RequestKey:
    body = hashlib.sha256(repr(wish).encode()).digest()
    return RequestKey(str(UUID(int=number)), uuid4(), type(wish).__name__, body)


def order_of(answer: object) -> types_pb2.Order:
    """The order of an answer; a refusal is no answer here."""
    assert isinstance(answer, bytes), answer
    return enrollment_service_pb2.SubmitEnrollmentResponse.FromString(answer).order
