"""How fast a waiting room admits: at a ceiling, after its leader was killed, and without either.

Without a ceiling portals submit over streams, at once, for everybody who gets a pass: then the
room has to find what the service can do.
"""

from __future__ import annotations

import asyncio
import signal
import statistics
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
from support.enrollment_replicas import Replicas, add_candidates, replicas
from support.enrollment_rooms import AFTER, EARLY, session_with_room
from support.room_processes import RoomProcesses, room_processes
from support.service import move_clock, until
from support.waiting_rooms import KEY, limited
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import place_stream_service_pb2 as places
from zikao.enrollment.v1 import place_stream_service_pb2_grpc as places_grpc
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao.enrollment.v1 import portal_service_pb2_grpc as portal_grpc
from zikao.enrollment.v1 import waiting_room_service_pb2 as rooms

CEILING = 800
CEILING_SECONDS = 12.5
WAITING = 20_000
SAMPLE_SECONDS = 0.02
# Less than it takes until nobody waits any more.
FOLLOWED_SECONDS = 8
# So many tokens are looked at for the first time.
NAMING_SECONDS = 90.0
FOLLOWED = 40_000
STREAMS = 4
A_MESSAGE = 200


async def measure_ceiling(dsn: str, folder: Path) -> Mapping[str, float]:
    """Two processes at a ceiling: how far from it they are, and how long a killed one is missed."""
    async with room_processes(dsn, folder, limited(CEILING), WAITING) as room:
        await asyncio.sleep(2)
        samples = await _sampled(room, CEILING_SECONDS)
        rate = statistics.linear_regression(*zip(*samples, strict=True)).slope
        leader = (await room.look()).leader
        room.send(0, signal.SIGKILL)
        killed = time.perf_counter()
        before = (await room.look()).admitted_until
        await room.until_led_by_another(leader)
        pause = time.perf_counter() - killed
        after = await _sampled(room, 2)
    return {
        "admission_ceiling": CEILING,
        "admission_rate": rate,
        "admission_off_by": abs(rate - CEILING) / CEILING,
        "leader_missed_seconds": pause,
        "admitted_per_second_after": (after[-1][1] - before) / (after[-1][0] - killed),
    }


async def _sampled(room: RoomProcesses, seconds: float) -> list[tuple[float, int]]:
    """When it was how far."""
    samples, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        samples.append((time.perf_counter(), (await room.look()).admitted_until))
        await asyncio.sleep(SAMPLE_SECONDS)
    return samples


async def measure_following(dsn: str, folder: Path) -> Mapping[str, Any]:
    """One process without a ceiling before portals that submit whatever is admitted."""
    session = session_with_room(seats=1_000_000)
    await add_candidates(dsn, range(1, FOLLOWED + 1))
    async with replicas(dsn, folder, session, EARLY, count=1) as served:
        await _come_in(dsn)
        (caller,) = await served.connect()
        crowd = _Crowd(served)
        numbers = range(1, FOLLOWED + 1)
        shares = [numbers[index::STREAMS] for index in range(STREAMS)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(crowd.wait_and_submit(caller, each)) for each in shares]
            await until(lambda: crowd.told == FOLLOWED, NAMING_SECONDS)
            await move_clock(folder / "clock.json", AFTER)
            await until(lambda: crowd.finished > 0)
            per_second = [await crowd.finished_in(1) for _ in range(FOLLOWED_SECONDS)]
            for task in tasks:
                task.cancel()
    best = max(per_second)
    return {
        "finished_per_second": per_second,
        "seconds_to_70_percent": next(
            n for n, rate in enumerate(per_second, 1) if rate >= 0.7 * best
        ),
        "first_8_seconds_of_best": sum(per_second) / FOLLOWED_SECONDS / best,
        "refusals": dict(crowd.refusals),
    }


async def _come_in(dsn: str) -> None:
    """Give everybody a place, as JoinWaitingRoom does."""
    connection = await asyncpg.connect(dsn)
    try:

        async def opened() -> bool:
            count: int = await connection.fetchval("SELECT count(*) FROM enrollment.waiting_room")
            return bool(count)

        await until(opened)
        await connection.execute(
            "INSERT INTO enrollment.waiting_place"
            " (session_code, track, candidate_id, drawn, joined_at)"
            " SELECT $1, $2, lpad(to_hex(number), 32, '0')::uuid, true, $3"
            " FROM generate_series(1, $4::integer) AS number",
            *KEY,
            EARLY,
            FOLLOWED,
        )
    finally:
        await connection.close()
    # Until the process has read them.
    await asyncio.sleep(3)


class _Crowd:
    """Candidates behind some portals' streams."""

    def __init__(self, served: Replicas) -> None:
        self._served = served
        self.told = 0
        self.finished = 0
        self.refusals: dict[str, int] = {}

    async def finished_in(self, seconds: float) -> float:
        """How many a second are answered from now on."""
        begun, before = time.perf_counter(), self.finished
        await asyncio.sleep(seconds)
        return (self.finished - before) / (time.perf_counter() - begun)

    async def wait_and_submit(self, caller: Any, numbers: Iterable[int]) -> None:
        """Watch the places of some, and submit for whoever has a pass."""
        watching = places_grpc.PlaceStreamServiceStub(caller.channel).WatchPlaces(None)
        submitting = portal_grpc.PortalServiceStub(caller.channel).SubmitEnrollments(None)
        tokens = {str(number): self._served.token(number) for number in numbers}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._name(watching, tokens))
            group.create_task(self._count(submitting))
            async for message in watching:
                admitted = [
                    _submission(tokens[each.watch_id], each.place.admission_pass)
                    for each in message.places
                    if each.place.state == rooms.PLACE_STATE_ADMITTED
                ]
                self.told += sum(
                    each.place.state == rooms.PLACE_STATE_WAITING for each in message.places
                )
                for begin in range(0, len(admitted), A_MESSAGE):
                    some = admitted[begin : begin + A_MESSAGE]
                    await submitting.write(portal.SubmitEnrollmentsRequest(submissions=some))

    async def _name(self, watching: Any, tokens: Mapping[str, str]) -> None:
        names = [*tokens]
        for begin in range(0, len(names), A_MESSAGE):
            some = [
                places.WatchedCandidate(watch_id=name, access_token=tokens[name])
                for name in names[begin : begin + A_MESSAGE]
            ]
            await watching.write(places.WatchPlacesRequest(session_code="22.1", candidates=some))

    async def _count(self, submitting: Any) -> None:
        async for answer in submitting:
            for result in answer.results:
                reason = result.error.reason
                self.finished += not reason
                if reason:
                    self.refusals[reason] = self.refusals.get(reason, 0) + 1


def _submission(token: str, admission_pass: str) -> portal.Submission:
    """Wants two seats."""
    choice = enrollment.EnrollmentChoice(course_codes=["00001", "00003"], county_codes=["510104"])
    request = enrollment.SubmitEnrollmentRequest(
        request_id=str(uuid4()), session_code="22.1", choice=choice
    )
    return portal.Submission(access_token=token, admission_pass=admission_pass, enrollment=request)
