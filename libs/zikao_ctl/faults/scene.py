"""What faults are made with: the installation, whoever calls it, and the ways to look at it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from inspect import isawaitable
from typing import Any, TypeAlias

import asyncpg
import grpc
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_grpc
from zikao_kit.clock import OffsetClock

from zikao_ctl.faults.disk import SmallDisk
from zikao_ctl.faults.proxy import CuttingProxy
from zikao_ctl.installation import OPERATOR, Installation, open_operator_channel
from zikao_ctl.readiness import is_serving

TICK_SECONDS = 0.02
DATABASE_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)
_OVERDUE = """
SELECT count(*) FROM enrollment.enrollment_order
WHERE state IN ('held', 'paying', 'closing') AND held_until <= $1
"""
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class NoEffect(Exception):  # noqa: N818 - it is what happened
    """A fault broke nothing: it does not count."""


class NotRecovered(Exception):  # noqa: N818 - it is what happened
    """Something does not come back."""


@dataclass
class Scene:
    """An installation under load; `disk` None where none could be had."""

    installation: Installation
    proxy: CuttingProxy
    sandbox: sandbox_grpc.SandboxServiceAsyncStub
    health: dict[str, grpc.aio.Channel]
    disk: SmallDisk | None

    def now(self) -> datetime:
        """The installation's time."""
        return OffsetClock(self.installation.clock_file).now()

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """As the administrator, and not through the proxy. OSError or PostgresError."""
        connection = await asyncpg.connect(
            self.installation.admin_dsn, timeout=5, command_timeout=30
        )
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def until_well(self, seconds: float) -> None:
        """Wait until the database answers and every process says SERVING; raises NotRecovered."""
        end = time.monotonic() + seconds
        await until(
            self._database_answers,
            seconds,
            lambda: f"the database is away{self.installation.database_log_tail}",
        )
        waiting = set(self.health)

        async def check() -> bool:
            for name in list(waiting):
                if await is_serving(self.health[name]):
                    waiting.discard(name)
            return not waiting

        left = max(0.0, end - time.monotonic())
        await until(check, left, lambda: f"not serving: {', '.join(sorted(waiting))}")

    async def until_holds_end(self, seconds: float) -> None:
        """Wait until no hold that has ended keeps seats; raises NotRecovered."""
        async with self.database() as database:

            async def done() -> bool:
                return not await database.fetchval(_OVERDUE, self.now())

            await until(done, seconds, lambda: "holds that have ended keep their seats")

    async def _database_answers(self) -> bool:
        try:
            async with self.database() as database:
                return bool(await database.fetchval("SELECT true"))
        except DATABASE_AWAY:
            return False


@asynccontextmanager
async def open_scene(installation: Installation, disk: SmallDisk | None) -> AsyncIterator[Scene]:
    """Connect to every process as the operator."""
    assert installation.proxy is not None, "this shape has no proxy"
    files = installation.certificate(OPERATOR)
    async with AsyncExitStack() as stack:
        channels = {
            name: await stack.enter_async_context(open_operator_channel(target, files))
            for name, target in installation.processes.items()
        }
        sandbox = sandbox_grpc.SandboxServiceStub(channels["payment"])
        yield Scene(installation, installation.proxy, sandbox, channels, disk)


@asynccontextmanager
async def mended(scene: Scene) -> AsyncIterator[None]:
    """However the block ends: nobody stays stopped, cut off, or badly behaved."""
    try:
        yield
    finally:
        scene.proxy.spare()
        for process_id in scene.installation.process_ids.values():
            with suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGCONT)


async def until(
    found: Callable[[], Any | Awaitable[Any]],
    seconds: float,
    why: Callable[[], str],
    error: type[Exception] = NotRecovered,
) -> Any:
    """Ask `found` again until its answer is true and return that; raises `error` saying `why`."""
    end = time.monotonic() + seconds
    while True:
        answer = found()
        if isawaitable(answer):
            answer = await answer
        if answer:
            return answer
        if time.monotonic() > end:
            raise error(f"after {seconds:.0f} s {why()}")
        await asyncio.sleep(TICK_SECONDS)
