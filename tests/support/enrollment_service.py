"""An enrollment service in this process, the sandbox's payment platform, and who calls them."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from support.certificates import channel_credentials
from support.clocks import FixedClock
from support.service import (
    RECONNECTING,
    Caller,
    free_port,
    move_clock,
    set_clock,
    until_serving,
)
from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.main import serve_enrollment
from zikao_kit.clock import OffsetClock
from zikao_kit.config import (
    ClockConfig,
    DatabaseConfig,
    LogConfig,
    PeerConfig,
    ServerConfig,
)
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer
from zikao_sandbox.main import SandboxConfig, serve_sandbox

TOKEN_LIFETIME = timedelta(minutes=15)
KEY_ID = "test-key"
# One for all tests: what a database trusts is stored before its service starts.
_KEY = Ed25519PrivateKey.generate()


@dataclass
class Process:
    """What would be a process of its own, as a task that can be stopped and started again."""

    port: int
    serve: Any
    task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start it."""
        self.task = asyncio.create_task(self.serve())

    async def stop(self) -> None:
        """Drain and end it; nothing when it does not run."""
        task, self.task = self.task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@dataclass
class Installation:
    """Enrollment and the payment platform; their clock is moved with `move_clock`.

    Registration is away unless a test serves it at `registration_port`.
    """

    dsn: str
    folder: Path
    stack: AsyncExitStack
    enrollment_port: int = field(default_factory=free_port)
    registration_port: int = field(default_factory=free_port)
    platform_port: int = field(default_factory=free_port)
    settings: Mapping[str, Any] = field(default_factory=dict)
    # How long background work pauses.
    poll_seconds: float = 0.1

    def __post_init__(self) -> None:
        """Make the certificates' authority and the processes, not yet started."""
        self.ca = DevelopmentCa(self.folder / "certs")
        self.clock_file = self.folder / "clock.json"
        self.enrollment = Process(self.enrollment_port, self._serve_enrollment)
        self.platform = Process(self.platform_port, self._serve_platform)
        # Of enrollment's server, for its next start.
        self.limits: dict[str, Any] = {}
        self._channels: dict[tuple[str, int], grpc.aio.Channel] = {}

    async def caller(self, name: str, port: int = 0, token: str = "") -> Caller:
        """Who has the certificate of `name`, calling enrollment or what listens on `port`."""
        key = (name, port or self.enrollment_port)
        if key not in self._channels:
            credentials = channel_credentials(self.ca.issue(name))
            channel = grpc.aio.secure_channel(f"localhost:{key[1]}", credentials, RECONNECTING)
            self._channels[key] = await self.stack.enter_async_context(channel)
        return Caller(self._channels[key], token)

    async def candidate(self, number: int) -> Caller:
        """The candidate with the id UUID(int=number), through a portal."""
        return await self.caller("portal", token=self.token(str(UUID(int=number))))

    async def operator(self) -> Caller:
        """The operator, at enrollment."""
        return await self.caller("operator")

    async def at_platform(self) -> Caller:
        """The operator, at the payment platform."""
        return await self.caller("operator", self.platform_port)

    async def officer(self, scope: str, subject: str = "") -> Caller:
        """An officer of the office with this code, through a portal."""
        role = {2: "province_officer", 4: "city_officer", 6: "county_officer"}[len(scope)]
        token = self.token(subject or str(uuid4()), role, scope=scope)
        return await self.caller("portal", token=token)

    async def auditor(self, scope: str = "51") -> Caller:
        """An auditor, through a portal."""
        token = self.token(str(uuid4()), "auditor", scope=scope)
        return await self.caller("portal", token=token)

    def token(
        self,
        subject: str,
        role: str = "candidate",
        age: timedelta = timedelta(0),
        scope: str = "51",
        *,
        party: str = "portal",
        restricted: bool = False,
    ) -> str:
        """An access token issued `age` ago through `party`."""
        issuer = TokenIssuer(KEY_ID, _KEY, FixedClock(self.now() - age), TOKEN_LIFETIME)
        return issuer.issue(subject, role, scope, party=party, restricted=restricted).token

    def another_enrollment(self) -> Process:
        """Another process of enrollment on the same database, not yet started."""
        port = free_port()
        process = Process(port, lambda: self._serve_enrollment(port))
        self.stack.push_async_callback(process.stop)
        return process

    def now(self) -> datetime:
        """The time of the installation."""
        return OffsetClock(self.clock_file).now()

    async def move_clock(self, at: datetime) -> None:
        """Move all clocks and wait until it has been seen."""
        await move_clock(self.clock_file, at)

    async def rows(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """What is in the database, as the service's own role."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()

    async def until_serving(self, process: Process) -> None:
        """Wait until a started process serves; raises what has ended it."""
        assert process.task is not None
        await until_serving((await self.caller("operator", process.port)).channel, process.task)

    def _serve_enrollment(self, port: int = 0) -> Coroutine[Any, Any, None]:
        return serve_enrollment(
            EnrollmentConfig(
                server=replace(
                    self._server("enrollment", port or self.enrollment_port), **self.limits
                ),
                database=DatabaseConfig(dsn=self.dsn),
                registration=PeerConfig(f"127.0.0.1:{self.registration_port}", "registration"),
                platform=PeerConfig(f"127.0.0.1:{self.platform_port}", "payment-platform"),
                board_seconds=0.2,
                poll_seconds=self.poll_seconds,
                log=LogConfig(level="error"),
                clock=ClockConfig(offset_file=self.clock_file),
                **self.settings,
            )
        )

    def _serve_platform(self) -> Coroutine[Any, Any, None]:
        return serve_sandbox(
            SandboxConfig(
                server=self._server("payment-platform", self.platform_port),
                database_file=self.folder / "platform.sqlite",
                enrollment=PeerConfig(f"127.0.0.1:{self.enrollment_port}", "enrollment"),
                clock=ClockConfig(offset_file=self.clock_file),
            )
        )

    def _server(self, name: str, port: int) -> ServerConfig:
        files = self.ca.issue(name)
        return ServerConfig(
            listen=f"127.0.0.1:{port}",
            tls=files,
            drain_wait_seconds=0.0,
            drain_grace_seconds=1.0,
        )


@asynccontextmanager
async def installation(
    dsn: str, folder: Path, at: datetime, **settings: Any
) -> AsyncIterator[Installation]:
    """Serve enrollment, with `settings` of its own, and the payment platform."""
    async with AsyncExitStack() as stack:
        made = Installation(dsn, folder, stack, settings=settings)
        set_clock(made.clock_file, at)
        await made.rows(
            "INSERT INTO enrollment.trusted_key VALUES ($1, $2)",
            KEY_ID,
            _KEY.public_key().public_bytes_raw(),
        )
        for process in (made.platform, made.enrollment):
            stack.push_async_callback(process.stop)
            process.start()
        for process in (made.platform, made.enrollment):
            await made.until_serving(process)
        yield made
