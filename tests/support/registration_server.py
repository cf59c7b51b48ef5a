"""A registration service in this process, and those who call it over mutual TLS."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from zikao.registration.v1 import (
    account_service_pb2_grpc,
    candidate_feed_service_pb2_grpc,
    registration_service_pb2_grpc,
    review_service_pb2_grpc,
    session_service_pb2_grpc,
)
from zikao_kit.clock import write_offset
from zikao_kit.config import ClockConfig, DatabaseConfig, LogConfig, ServerConfig, TlsConfig
from zikao_kit.crypto import KeyRing
from zikao_kit.error_table import problem_of
from zikao_kit.errors import DomainError
from zikao_kit.tls import CertFiles, DevelopmentCa, channel_credentials
from zikao_registration.config import Argon2Config, LoginConfig, RegistrationConfig
from zikao_registration.main import serve_registration

OPENS = datetime(2022, 2, 21, 1, tzinfo=UTC)
CLOSES = OPENS + timedelta(days=2, hours=8)
MATERIAL_CLOSES = CLOSES + timedelta(hours=1)
REVIEW_CLOSES = CLOSES + timedelta(days=1)
NOON = OPENS + timedelta(hours=3)
TIMEOUT_SECONDS = 20
# Test-speed hashing; the parameters of production are the configuration's defaults.
QUICK = Argon2Config(time_cost=1, memory_kib=64, parallelism=1)


_STUBS = {
    "account": account_service_pb2_grpc.AccountServiceStub,
    "candidate_feed": candidate_feed_service_pb2_grpc.CandidateFeedServiceStub,
    "registration": registration_service_pb2_grpc.RegistrationServiceStub,
    "review": review_service_pb2_grpc.ReviewServiceStub,
    "session": session_service_pb2_grpc.SessionServiceStub,
}


@dataclass
class Caller:
    """Somebody with a certificate, and perhaps an access token."""

    channel: grpc.aio.Channel
    token: str = ""

    async def call(self, request: Any) -> Any:
        """Call the method whose request it is; raises grpc.aio.AioRpcError."""
        return await self.start(request, timeout=TIMEOUT_SECONDS)

    def start(self, request: Any, timeout: float | None = None) -> Any:
        """Begin the call: a future, or the answers of a subscription."""
        file_name: str = request.DESCRIPTOR.file.name
        service = file_name.rpartition("/")[2].removesuffix("_service.proto")
        method = request.DESCRIPTOR.name.removesuffix("Request")
        bearer = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        stub: Any = _STUBS[service](self.channel)
        return getattr(stub, method)(request, timeout=timeout, metadata=bearer)

    async def refused(self, request: Any) -> DomainError:
        """Call what must be refused, and return the error as the server raised it."""
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await self.call(request)
        return problem_of(caught.value)

    def with_token(self, token: str) -> "Caller":
        """The same certificate with an access token."""
        return Caller(self.channel, token)


@dataclass
class RegistrationServer:
    """A running service; its clock is moved with `set_clock`."""

    dsn: str
    port: int
    ca: DevelopmentCa
    clock_file: Path
    _stack: AsyncExitStack
    _callers: dict[str, Caller] = field(default_factory=dict)

    async def caller(self, name: str) -> Caller:
        """Who has the certificate of `name`."""
        if name not in self._callers:
            credentials = channel_credentials(self.ca.issue(name))
            channel = grpc.aio.secure_channel(f"localhost:{self.port}", credentials, _OPTIONS)
            self._callers[name] = Caller(await self._stack.enter_async_context(channel))
        return self._callers[name]

    def set_clock(self, at: datetime) -> None:
        """Move the service's clock; seen within 50 ms."""
        write_offset(self.clock_file, (at - datetime.now(UTC)).total_seconds())

    async def move_clock(self, at: datetime) -> None:
        """Move the service's clock and wait until it has been seen."""
        self.set_clock(at)
        await asyncio.sleep(0.06)

    async def rows(self, sql: str, *args: object) -> list[asyncpg.Record]:
        """What is in the database, as the service's own role."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await connection.fetch(sql, *args)
        finally:
            await connection.close()


_OPTIONS = [
    ("grpc.max_receive_message_length", 16 * 1024 * 1024),
    ("grpc.max_send_message_length", 16 * 1024 * 1024),
]


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@asynccontextmanager
async def registration_server(
    dsn: str,
    folder: Path,
    *,
    at: datetime = NOON,
    login: LoginConfig | None = None,
    port: int = 0,
) -> AsyncIterator[RegistrationServer]:
    """Serve until the block ends, on a free port where none is given."""
    ca = DevelopmentCa(folder / "certs")
    key_ring = folder / "keys.yaml"
    if not key_ring.exists():
        KeyRing.generate().write(key_ring)
    clock_file = folder / "clock.json"
    async with AsyncExitStack() as stack:
        server = RegistrationServer(dsn, port or free_port(), ca, clock_file, stack)
        server.set_clock(at)
        config = _config(server, ca.issue("registration"), key_ring, login or LoginConfig())
        task = asyncio.create_task(serve_registration(config))
        stack.push_async_callback(_stop, task)
        await _until_serving(await server.caller("operator"), task)
        yield server


def _config(
    server: RegistrationServer, files: CertFiles, key_ring_file: Path, login: LoginConfig
) -> RegistrationConfig:
    tls = TlsConfig(cert_file=files.cert, key_file=files.key, ca_file=files.ca)
    return RegistrationConfig(
        server=ServerConfig(
            listen=f"127.0.0.1:{server.port}",
            tls=tls,
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


async def _until_serving(caller: Caller, task: asyncio.Task[None]) -> None:
    health = health_pb2_grpc.HealthStub(caller.channel)
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while not task.done():
            with suppress(grpc.aio.AioRpcError):
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1)
                if answer.status == health_pb2.HealthCheckResponse.SERVING:
                    return
            await asyncio.sleep(0.02)
    await task  # raises what ended it


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
