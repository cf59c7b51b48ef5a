"""The health of a server, told to those who do not listen."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2
from zikao_kit.interceptors.open_calls import OpenCalls
from zikao_kit.routing import Health

WATCH = health_pb2.HealthCheckRequest()
Status = health_pb2.HealthCheckResponse


class Watcher:
    """A call whose caller takes the first `takes` parts, and no status."""

    def __init__(self, takes: int) -> None:
        self._takes = takes
        self.told: list[int] = []
        self.ended_with: list[grpc.StatusCode] = []

    def auth_context(self) -> dict[str, Any]:
        """Nobody in particular."""
        return {}

    async def write(self, answer: health_pb2.HealthCheckResponse) -> None:
        """Wait for ever when nothing more is taken."""
        if len(self.told) == self._takes:
            await asyncio.Event().wait()
        self.told.append(answer.status)

    async def abort(self, code: grpc.StatusCode, *_: Any) -> None:
        """Wait for ever."""
        self.ended_with.append(code)
        await asyncio.Event().wait()


async def test_a_watcher_that_does_not_read_holds_up_nobody() -> None:
    """The status changes, others are told, and the silent one is let go."""
    health = Health(OpenCalls(10, 10), max_write_seconds=0.1)
    silent, attentive = Watcher(takes=0), Watcher(takes=10)
    tasks = [asyncio.create_task(health.Watch(WATCH, each)) for each in (silent, attentive)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(0.05):
        await health.set_serving(True)
    await asyncio.sleep(0.01)
    assert (silent.told, attentive.told) == ([], [Status.NOT_SERVING, Status.SERVING])
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]
    assert silent.ended_with == [grpc.StatusCode.UNAVAILABLE]
    assert not tasks[1].done()
    tasks[1].cancel()


async def test_there_is_one_health_only() -> None:
    """Of a service by name nothing is known: it is watched as unknown."""
    health = Health(OpenCalls(10, 10), max_write_seconds=0.1)
    watcher = Watcher(takes=10)
    request = health_pb2.HealthCheckRequest(service="no.such.Service")
    task = asyncio.create_task(health.Watch(request, watcher))
    await asyncio.sleep(0.01)
    await health.set_serving(True)
    await asyncio.sleep(0.01)
    task.cancel()
    assert watcher.told == [Status.SERVICE_UNKNOWN]
