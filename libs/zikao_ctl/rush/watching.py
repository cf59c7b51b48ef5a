"""What the parent sees while it runs: seats, money, invariants, and who uses the processors."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import grpc
from zikao.enrollment.v1 import availability_service_pb2 as availability
from zikao.enrollment.v1 import availability_service_pb2_grpc as availability_grpc
from zikao_kit.clock import OffsetClock

from zikao_ctl.installation import Installation
from zikao_ctl.invariants import AuditPlan, audit
from zikao_ctl.processes import cpu_seconds
from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.measuring import goodput
from zikao_ctl.rush.people import wanted_counties
from zikao_ctl.rush.records import SUBMIT, CountySeats, Live, Tick
from zikao_ctl.rush.room import RoomWatch
from zikao_ctl.rush.ticking import TICK_SECONDS
from zikao_ctl.session_model import SessionFile

HOTTEST = 8
POLL_SECONDS = 1.0
RECONNECT_SECONDS = 0.5
# It rests twenty times as long as each check took: the processors are for those who submit.
REST_FACTOR = 20.0
REFUND_DEADLINE = timedelta(days=1)
POSTGRES = "postgres"
CALIBRATION = "calibration"
_BOOKED = """SELECT count(*) FROM enrollment.payment
JOIN enrollment.enrollment_order USING (order_id) WHERE session_code = $1"""


@dataclass
class Seats:
    """Free seats of the counties most wanted, over time."""

    session: SessionFile
    opening: float = 0.0
    free: dict[str, dict[int, int]] = field(default_factory=dict)
    series: dict[str, list[tuple[float, int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the counties."""
        self.hottest = wanted_counties(self.session)[:HOTTEST]
        self._counties = {county.code: county for county in self.session.counties}

    async def watch(self, channel: grpc.aio.Channel) -> None:
        """Follow the stream until cancelled, again when it breaks."""
        stub: availability_grpc.AvailabilityServiceAsyncStub
        stub = availability_grpc.AvailabilityServiceStub(channel)
        request = availability.WatchAvailabilityRequest(session_code=self.session.code)
        while True:
            try:
                async for message in stub.WatchAvailability(request):
                    self._take(message)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(RECONNECT_SECONDS)

    def sample(self, at: float) -> None:
        """Write down how it stands at a time since the opening."""
        for code in self.hottest:
            if code in self.free:
                self.series.setdefault(code, []).append((at, min(self.free[code].values())))

    def now(self) -> list[tuple[str, int, int]]:
        """For the display."""
        return [
            (self._counties[code].name, min(self.free[code].values()), self._capacity(code))
            for code in self.hottest
            if code in self.free
        ]

    def records(self) -> list[CountySeats]:
        """For the report."""
        return [
            CountySeats(
                county_code=code,
                name=self._counties[code].name,
                capacity=self._capacity(code),
                free=self.series.get(code, []),
            )
            for code in self.hottest
        ]

    def _capacity(self, code: str) -> int:
        return min(self._counties[code].seats)

    def _take(self, message: availability.WatchAvailabilityResponse) -> None:
        for seat in message.seats:
            self.free.setdefault(seat.county_code, {})[seat.slot] = seat.free


@dataclass
class Ledger:
    """How many payments are booked, as the database says now and then."""

    session_code: str
    booked: int = 0

    async def watch(self, admin_dsn: str) -> None:
        """Look until cancelled; what cannot be looked at now is looked at later."""
        while True:
            try:
                connection = await asyncpg.connect(admin_dsn)
                try:
                    self.booked = await connection.fetchval(_BOOKED, self.session_code)
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                # A fault that is rehearsed: the number stays until the database is back.
                await asyncio.sleep(RECONNECT_SECONDS)
            await asyncio.sleep(POLL_SECONDS)


@dataclass
class Invariants:
    """Checked in turn, gently, while it runs."""

    held: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)

    async def watch(self, installation: Installation) -> None:
        """Check until cancelled."""
        clock = OffsetClock(installation.clock_file)
        while True:
            plan = AuditPlan(clock.now(), REFUND_DEADLINE, REST_FACTOR)
            try:
                async for checked in audit(installation.admin_dsn, plan):
                    if checked.finding is not None:
                        is_broken = checked.finding.violations > 0
                        (self.broken if is_broken else self.held).add(checked.invariant)
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(RECONNECT_SECONDS)
            await asyncio.sleep(POLL_SECONDS)


class Processors:
    """CPU seconds that each side has used since the last look."""

    def __init__(self, system: Callable[[], Mapping[str, int]], generators: Sequence[int]) -> None:
        """`system` tells the ids of the processes that run now, by their names."""
        self._system = system
        self._generators = generators
        self._before = self._used()

    def since(self) -> dict[str, float]:
        """By server (all services), postgres, generator; a process that has died counts no more."""
        used = self._used()
        spent = {side: max(0.0, used[side] - self._before[side]) for side in used}
        self._before = used
        return spent

    def _used(self) -> dict[str, float]:
        ids = self._system()
        services = [pid for name, pid in ids.items() if name != POSTGRES]
        postgres = [ids[POSTGRES]] if POSTGRES in ids else []
        sides: Mapping[str, Iterable[int]] = {
            "server": services,
            "postgres": postgres,
            "generator": self._generators,
        }
        return {side: cpu_seconds(members) for side, members in sides.items()}


@dataclass
class Watched:
    """All that is watched beside the generators."""

    seats: Seats
    room: RoomWatch
    ledger: Ledger
    invariants: Invariants = field(default_factory=Invariants)
    faults: Callable[[], list[str]] = list


class Recent:
    """The last second, for the display."""

    def __init__(self) -> None:
        self._last: deque[Tick] = deque(maxlen=round(1 / TICK_SECONDS))
        self._accepted = self._paid = 0

    def live(self, tick: Tick, at: float, watched: Watched) -> Live:
        """With one more tick, whose end is `at` seconds after the opening."""
        self._last.append(tick)
        if tick["phase"] != CALIBRATION:
            self._accepted += tick["accepted"]
            self._paid += tick["paid"]
        seconds = len(self._last) * TICK_SECONDS
        latencies = merged(each["hist"] for each in self._last)
        return Live(
            at=at,
            phase=tick["phase"],
            offered=sum(each["offered"] for each in self._last) / seconds,
            sent=sum(each["sent"] for each in self._last) / seconds,
            held_back=sum(each["held_back"] for each in self._last) / seconds,
            accepted=sum(map(goodput, self._last)) / seconds,
            shed=sum(each["shed"] for each in self._last) / seconds,
            accepted_in_all=self._accepted,
            waiting=tick["waiting"],
            submit_p50_ms=latencies.percentile_ms(SUBMIT, 50),
            submit_p99_ms=latencies.percentile_ms(SUBMIT, 99),
            seats=watched.seats.now(),
            room=watched.room.seen[-1] if watched.room.seen else None,
            paid=self._paid,
            booked=watched.ledger.booked,
            invariants_held=len(watched.invariants.held),
            invariants_broken=sorted(watched.invariants.broken),
            faults=watched.faults(),
        )
