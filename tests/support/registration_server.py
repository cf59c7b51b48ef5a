"""A registration service in this process, and those who call it over mutual TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
from support.certificates import channel_credentials
from support.one_time_codes import CodeGenerator
from support.service import (
    RECONNECTING,
    Caller,
    free_port,
    move_clock,
    set_clock,
    until_serving,
)
from zikao_kit.clock import OffsetClock
from zikao_kit.config import CertFiles, ClockConfig, DatabaseConfig, LogConfig, ServerConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.tls import DevelopmentCa
from zikao_registration.config import Argon2Config, LoginConfig, RegistrationConfig
from zikao_registration.main import serve_registration

OPENS = datetime(2022, 2, 21, 1, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=2, hours=8)
MATERIAL_CLOSES = CLOSES + timedelta(hours=1)
REVIEW_CLOSES = CLOSES + timedelta(days=1)
NOON = OPENS + timedelta(hours=3)
# Test-speed hashing; the parameters of production are the configuration's defaults.
QUICK = Argon2Config(time_cost=1, memory_kib=64, parallelism=1)


@dataclass
class RegistrationServer:
    """A running service; its clock is moved with `move_clock`."""

    dsn: str
    port: int
    ca: DevelopmentCa
    clock_file: Path
    _stack: AsyncExitStack
    _callers: dict[str, Caller] = field(default_factory=dict)
    # Of staff, by login name.
    second_factors: dict[str, CodeGenerator] = field(default_factory=dict)

    async def caller(self, name: str) -> Caller:
        """Who has the certificate of `name`."""
        if name not in self._callers:
            credentials = channel_credentials(self.ca.issue(name))
            channel = grpc.aio.secure_channel(f"localhost:{self.port}", credentials, _OPTIONS)
            self._callers[name] = Caller(await self._stack.enter_async_context(channel))
        return self._callers[name]

    async def move_clock(self, at: datetime) -> None:
        """Move the service's clock and wait until it has been seen."""
        await move_clock(self.clock_file, at)

    def next_code(self, login_name: str) -> str:
        """A code that was not used yet; empty for who has no second factor."""
        generator = self.second_factors.get(login_name)
        return generator.next_code(OffsetClock(self.clock_file).now()) if generator else ""

    async def rows(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """What is in the database, as the service's own role."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()


_OPTIONS = [
    *RECONNECTING,
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
]


@asynccontextmanager
async def registration_server(
    dsn: str,
    folder: Path,
    *,
    at: datetime = NOON,
    login: LoginConfig | None = None,
    port: int = 0,
    **settings: Any,
) -> AsyncIterator[RegistrationServer]:
    """Serve until the block ends, on a free port where none is given.

    `settings` are fields of the configuration.
    """
    ca = DevelopmentCa(folder / "certs")
    key_ring = folder / "keys.yaml"
    if not key_ring.exists():
        KeyRing.generate().write(key_ring)
    clock_file = folder / "clock.json"
    async with AsyncExitStack() as stack:
        server = RegistrationServer(dsn, port or free_port(), ca, clock_file, stack)
        set_clock(clock_file, at)
        config = _config(server, ca.issue("registration"), key_ring, login or LoginConfig())
        task = asyncio.create_task(serve_registration(replace(config, **settings)))
        stack.push_async_callback(_stop, task)
        await until_serving((await server.caller("operator")).channel, task)
        yield server


def _config(
    server: RegistrationServer, files: CertFiles, key_ring_file: Path, login: LoginConfig
) -> RegistrationConfig:
    return RegistrationConfig(
        server=ServerConfig(
            listen=f"127.0.0.1:{server.port}",
            tls=files,
            drain_wait_seconds=0.0,
            drain_grace_seconds=1.0,
        ),
        database=DatabaseConfig(dsn=server.dsn),
        key_ring_file=key_ring_file,
        poll_seconds=0.1,
        login=login,
        argon2=QUICK,
        log=LogConfig(level="warning"),
        clock=ClockConfig(offset_file=server.clock_file),
    )


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
