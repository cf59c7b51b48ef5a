"""Waits until a process says that it serves (grpc.health.v1)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from zikao_ctl.layout import InstallationError
from zikao_ctl.supervisor import Supervisor

START_SECONDS = 60.0
ANSWER_SECONDS = 1.0
POLL_SECONDS = 0.05
# Whoever dies so often while starting will not start.
MAX_DEATHS = 3
LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 16 * 1024


async def wait_until_serving(
    name: str, channel: grpc.aio.Channel, supervisor: Supervisor, log_file: Path
) -> None:
    """Return when the process `name` of the supervisor serves.

    Raises InstallationError with the end of its log when it does not within START_SECONDS, or
    dies again and again.
    """
    try:
        async with asyncio.timeout(START_SECONDS):
            while not await is_serving(channel):
                if supervisor.deaths(name) >= MAX_DEATHS:
                    raise InstallationError(f"{name} ends as soon as it starts{_tail(log_file)}")
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        raise InstallationError(
            f"{name} does not serve after {START_SECONDS:.0f} s{_tail(log_file)}"
        ) from None


async def is_serving(channel: grpc.aio.Channel) -> bool:
    """Whether the server at the other end says SERVING now."""
    health = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
    except grpc.aio.AioRpcError:  # not there yet, or not ours: what the log will say
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _tail(log_file: Path) -> str:
    with log_file.open("rb") as file:
        file.seek(max(0, log_file.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return f"; the end of {log_file}:\n" + "\n".join(lines)
