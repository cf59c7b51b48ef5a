"""Lets in who waits: one process leads a room, the others watch for its lease to end."""

import math
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import structlog
from prometheus_client import Gauge
from zikao_kit.admission import Load
from zikao_kit.clock import Clock
from zikao_kit.db import Database

from zikao_enrollment.domain.admission_leader import AdmissionLeader, Limits, Report, Step
from zikao_enrollment.domain.timetable import WaitingRoom
from zikao_enrollment.domain.waiting import RoomKey
from zikao_enrollment.stores.admissions import AdmissionStore, LedRoom
from zikao_enrollment.waiting.arrivals import Arrivals
from zikao_enrollment.waiting.rooms import Rooms, raise_all

log = structlog.get_logger()

# Who is let in together may submit together: few at a time make no queue.
TICK_SECONDS = 0.1
# While all rooms are open.
STILL_SECONDS = 0.5
# A leader that has died is missed for so long at most.
LEASE = timedelta(seconds=2)

_LABELS = ("session", "track")
RATE = Gauge(
    "zikao_enrollment_admission_rate", "Candidates a second that the room lets in.", _LABELS
)
ADMITTED = Gauge("zikao_enrollment_admitted", "Candidates that the room has let in.", _LABELS)
QUEUED = Gauge("zikao_enrollment_admission_queue", "Candidates that wait to be let in.", _LABELS)
LEADING = Gauge(
    "zikao_enrollment_admission_leader", "1 where this process leads the room.", _LABELS
)


class AdmittingWorker:
    """Of one process. `load` is what it has finished and how its queue stands."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        rooms: Rooms,
        arrivals: Arrivals,
        *,
        load: Callable[[], Load],
        lease: timedelta = LEASE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._clock = clock
        self._rooms = rooms
        self._arrivals = arrivals
        self._load = load
        self._lease = lease
        self._monotonic = monotonic
        self._process_id = uuid4()
        self._worked_at = -math.inf
        self._leaders: dict[RoomKey, AdmissionLeader] = {}

    async def work(self) -> bool:
        """Tell of this process, and let in wherever it leads; nothing where there is no room."""
        now = self._monotonic()
        if now - self._worked_at < STILL_SECONDS and not self._rooms.is_admitting:
            return False
        self._worked_at = now
        due = {
            live.key: live.window.waiting_room
            for live in self._rooms.all_live()
            # Its window may have been moved, or the clock, after it was drawn.
            if live.window.is_open(self._clock.now())
        }
        for key in self._leaders.keys() - due.keys():
            _show_none(key)
        failures = []
        for key, settings in due.items():
            try:
                if settings is not None:
                    await self._lead(key, settings)
            except Exception as failure:  # the other rooms' turn comes all the same
                _show_none(key)
                failures.append(failure)
        raise_all(failures)
        return False

    async def _lead(self, key: RoomKey, settings: WaitingRoom) -> None:
        # Whatever fails: what was due meanwhile is lost, and never let in twice.
        async with self._db.transaction() as tx:
            store = AdmissionStore(tx)
            await store.report(key, self._report(key))
            reports = await store.reports(key)
            room = await store.lead(key, self._process_id, self._lease)
            if room is None:
                self._leaders.pop(key, None)
                _show_none(key)
                return
            leader = self._leaders.get(key)
            if leader is None:
                log.info("this process admits", room=":".join(key), rate=room.rate)
                await store.forget_old_reports()
                leader = self._leaders[key] = AdmissionLeader(room.rate)
            limits = _limits(settings, room)
            step = leader.decide(self._monotonic(), room.queue, limits, reports)
            await self._take(store, key, room, step)
        _show(key, room, step)

    def _report(self, key: RoomKey) -> Report:
        load, (came, seconds) = self._load(), self._arrivals.at(key)
        return Report(
            self._process_id,
            load.finished,
            load.shed,
            load.wait_seconds,
            load.standing,
            came,
            seconds,
        )

    async def _take(self, store: AdmissionStore, key: RoomKey, room: LedRoom, step: Step) -> None:
        await store.save(key, step)
        before = room.queue.admitted_until
        if step.admitted_until > before:
            await store.insert(key, before, step.admitted_until, self._clock.now())


def _limits(settings: WaitingRoom, room: LedRoom) -> Limits:
    ceilings = [each for each in (settings.max_per_second, room.ceiling) if each]
    return Limits(min(ceilings, default=None), room.held, settings.quiet.total_seconds())


def _show_none(key: RoomKey) -> None:
    """This process lets nobody into the room now, whatever the reason."""
    LEADING.labels(*key).set(0)
    RATE.labels(*key).set(0)


def _show(key: RoomKey, room: LedRoom, step: Step) -> None:
    LEADING.labels(*key).set(1)
    RATE.labels(*key).set(0.0 if room.held else step.rate)
    ADMITTED.labels(*key).set(step.admitted_until)
    QUEUED.labels(*key).set(room.queue.last_number - step.admitted_until)
