"""Seats over the stream: the whole table, what changes, heartbeats, and who is let in."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
from support.enrollment_people import JINJIANG, QINGYANG, hold, open_enrollment
from support.enrollment_service import Installation
from support.service import TIMEOUT_SECONDS
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import availability_service_pb2 as availability
from zikao.enrollment.v1 import enrollment_feed_service_pb2 as feed
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao_kit.error_table import reason_of


def watching(prefix: str = "", session_code: str = "22.1") -> Any:
    """Wants to keep looking."""
    return availability.WatchAvailabilityRequest(session_code=session_code, county_prefix=prefix)


async def read(stream: Any) -> availability.WatchAvailabilityResponse:
    """The next message."""
    async with asyncio.timeout(TIMEOUT_SECONDS):
        answer: availability.WatchAvailabilityResponse = await stream.read()
    return answer


async def next_change(stream: Any) -> availability.WatchAvailabilityResponse:
    """The next message that is no heartbeat."""
    while not (answer := await read(stream)).seats:
        assert not answer.full
    return answer


async def ended(stream: Any) -> str:
    """The reason for which a stream ends."""
    try:
        while await read(stream) is not grpc.aio.EOF:  # type: ignore[attr-defined]
            pass
    except grpc.aio.AioRpcError as error:
        return str(reason_of(error))
    return "OK"


async def limited(running: Installation, **limits: int) -> None:
    """Start enrollment again with other limits."""
    running.limits = limits
    await running.enrollment.stop()
    running.enrollment.start()
    await running.until_serving(running.enrollment)


async def test_what_changes_is_told_and_what_does_not_is_not(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """A table, heartbeats, and the rows in which somebody took seats, with the end of the hold."""
    async with open_enrollment(make_database, tmp_path) as running:
        portal = await running.caller("portal")
        everything, qingyang = portal.start(watching()), portal.start(watching(QINGYANG))
        table, county = await read(everything), await read(qingyang)
        assert [table.full, county.full] == [True, True]
        assert {(row.county_code, row.free) for row in county.seats} == {(QINGYANG, 2)}
        assert not table.HasField("next_release_at")
        heartbeat = await read(everything)
        assert (heartbeat.full, list(heartbeat.seats)) == (False, [])
        assert timedelta(0) < heartbeat.as_of.ToDatetime() - table.as_of.ToDatetime()

        order = await hold(running, 1)
        change = await next_change(everything)
        assert not change.full
        assert [(row.county_code, row.slot, row.held, row.free) for row in change.seats] == [
            (JINJIANG, 1, 1, 1),
            (JINJIANG, 2, 1, 1),
        ]
        assert change.next_release_at == order.held_until
        unchanged = {row.county_code: row for row in table.seats if row.county_code == QINGYANG}
        asked = await portal.call(enrollment.GetAvailabilityRequest(session_code="22.1"))
        assert [row for row in asked.seats if row.county_code == JINJIANG] == list(change.seats)
        assert unchanged[QINGYANG] in asked.seats
        for _ in range(2):
            assert not (await read(qingyang)).seats
        assert await ended(portal.start(watching(session_code="99.1"))) == "SESSION_UNKNOWN"
        assert await ended(portal.start(watching("5"))) == "INVALID_REQUEST"
        await running.enrollment.stop()
        assert [await ended(each) for each in (everything, qingyang)] == ["UNAVAILABLE"] * 2


async def test_those_who_look_keep_no_service_out(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Streams of seats are bounded, of each caller too, and apart from the feeds of services."""
    async with open_enrollment(make_database, tmp_path) as running:
        await limited(running, max_public_subscriptions=3, max_public_subscriptions_per_caller=2)
        portal, other, tickets = [
            await running.caller(name) for name in ("portal", "operator", "tickets")
        ]
        streams = [portal.start(watching()), portal.start(watching()), other.start(watching())]
        for each in streams[:2]:
            await read(each)
        assert await ended(portal.start(watching())) == "OVERLOADED"
        await read(streams[2])
        assert await ended(other.start(watching())) == "OVERLOADED"
        assert (await read(tickets.start(feed.WatchEnrollmentsRequest()))).HasField("as_of")
