"""Keeps the board up to date: read again and again, and at once when somebody needs it."""

import asyncio
import time
from collections.abc import Mapping

from zikao.enrollment.v1 import enrollment_service_pb2
from zikao_kit.answered_actors import AnsweredActors
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.errors import UNAVAILABLE, DomainError

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import Board
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.stores.sessions import SessionStore

ANSWERED_METHODS = (
    enrollment_service_pb2.SubmitPlanRequest.DESCRIPTOR.full_name,
    enrollment_service_pb2.SubmitEnrollmentRequest.DESCRIPTOR.full_name,
)
# DOMAIN section 4, Availability.
MAX_AGE_SECONDS = 1.0


class Boards:
    """The board of this process. Its age is measured by the machine: a moved clock ages nothing."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._reading = asyncio.Lock()
        # Who may repeat a submission that was answered, as of the board and since.
        self.answered = AnsweredActors(db, SCHEMA, ANSWERED_METHODS)
        self._renewed = asyncio.Event()
        self._read_at = time.monotonic() - MAX_AGE_SECONDS
        self.current = Board(clock.now())
        self._likely: dict[str, dict[SeatKey, int]] = {}

    @property
    def age_seconds(self) -> float:
        """How old the board is."""
        return time.monotonic() - self._read_at

    @property
    def overdue_seconds(self) -> float:
        """For how long the hold that ended first has not been released; 0 for none."""
        ends = [each for each in self.current.next_release_at.values() if each is not None]
        return max((self._clock.now() - min(ends)).total_seconds(), 0.0) if ends else 0.0

    def is_fresh(self) -> bool:
        """Whether the board is younger than a second."""
        return time.monotonic() - self._read_at < MAX_AGE_SECONDS

    def likely_free(self, session_code: str) -> Mapping[SeatKey, int]:
        """Free seats as of the board, and of what this process has seen since."""
        return self._likely.get(session_code, {})

    def notice(self, session_code: str, free: Mapping[SeatKey, int]) -> None:
        """Rows were seen that have so many free seats."""
        self._likely.setdefault(session_code, {}).update(free)

    def fresh(self) -> Board:
        """The board; raises UNAVAILABLE rather than show seats that are older than a second."""
        if not self.is_fresh():
            raise DomainError(UNAVAILABLE)
        return self.current

    async def session_of_orders(self, session_code: str) -> Session:
        """The session of orders that there are, which may have been applied elsewhere just now."""
        if session_code not in self.current.sessions:
            await self.refresh()
        return self.current.require(session_code).session

    async def newer(self, than: Board) -> Board:
        """Wait for another board."""
        while self.current is than:
            await self._renewed.wait()
        return self.current

    async def refresh(self) -> None:
        """Read the ledger, and the sessions that have changed.

        One reading at a time: an older picture must not take the place of a newer one.
        """
        async with self._reading:
            await self._read()

    async def work(self) -> bool:
        """Refresh, as background work that is never done."""
        await self.refresh()
        return False

    async def _read(self) -> None:
        begun, as_of = time.monotonic(), self._clock.now()
        before = self.current
        await self.answered.look()
        async with self._db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
            store = SessionStore(tx)
            versions = await store.versions()
            changed = await store.load(before.outdated(versions))
            seats, releases = await store.all_seats(), await store.next_releases()
            await self.answered.read(tx)
        sessions = {**before.sessions, **changed}
        self.current = Board(as_of, {code: sessions[code] for code in versions}, seats, releases)
        self._likely = {code: dict(free) for code, free in self.current.free.items()}
        self._read_at = begun
        self._renewed.set()
        self._renewed = asyncio.Event()
