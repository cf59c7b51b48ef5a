"""What benches share: a service as its own process with a real configuration, rates, a report.

Speed is measured here and reported; no test asserts it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.service import Caller, free_port, until
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_kit.config import CertFiles
from zikao_kit.crypto import KeyRing
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service
from zikao_kit.tls import DevelopmentCa, channel_credentials

OUT = Path(__file__).parents[2] / "out" / "bench"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_DATABASE, _PASSWORD = "zikao_bench", "bench"
_MEBIBYTE = 1024 * 1024
_CHANNEL = [
    ("grpc.max_receive_message_length", 16 * _MEBIBYTE),
    ("grpc.max_send_message_length", 16 * _MEBIBYTE),
    # Each a connection of its own, as of different portals.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class Rate:
    """How many calls were answered in how long."""

    calls: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Calls a second."""
        return self.calls / self.seconds


@dataclass
class BenchService:
    """A service that runs as a process; certificates come from `ca`."""

    dsn: str
    port: int
    process_id: int
    ca: DevelopmentCa
    keys: KeyRing

    @asynccontextmanager
    async def caller(self, name: str) -> AsyncIterator[Caller]:
        """Who has the certificate of `name`, on a connection of its own."""
        credentials = channel_credentials(self.ca.issue(name))
        target = f"localhost:{self.port}"
        async with grpc.aio.secure_channel(target, credentials, _CHANNEL) as channel:
            yield Caller(channel)


@contextmanager
def own_postgres(folder: Path, **settings: str) -> Iterator[str]:
    """A PostgreSQL that keeps what it commits, as in production; yields the superuser's DSN."""
    with EmbeddedPostgres(folder / "postgres", settings=settings) as postgres:
        yield postgres.dsn()


@asynccontextmanager
async def registration_process(
    folder: Path, admin_dsn: str, **settings: Any
) -> AsyncIterator[BenchService]:
    """Registration with its database, migrated; `settings` are sections of its configuration."""
    dsn = await prepare_service(admin_dsn, _DATABASE, "registration", _PASSWORD)
    await migrate(dsn, "zikao_registration", say=lambda _: None)
    ca, keys, port = DevelopmentCa(folder / "certs"), KeyRing.generate(), free_port()
    keys.write(folder / "keys.yaml")
    config = {
        "server": {"listen": f"127.0.0.1:{port}", "tls": _paths(ca.issue("registration"))},
        "database": {"dsn": dsn},
        "key_ring_file": str(folder / "keys.yaml"),
        "log": {"level": "warning"},
    }
    file = folder / "registration.yaml"
    file.write_text(yaml.safe_dump(config | settings))
    arguments = ("-m", "zikao_registration", "serve", "--config", str(file))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments)
    service = BenchService(dsn, port, process.pid, ca, keys)
    try:
        await _until_serving(service, process)
        yield service
    finally:
        await _end(process)


async def rate_of(work: Iterable[Callable[[], Awaitable[int]]]) -> Rate:
    """Let all work go on at once until it ends by itself; each tells how many calls it made."""
    started = time.perf_counter()
    calls = await asyncio.gather(*(each() for each in work))
    return Rate(sum(calls), time.perf_counter() - started)


def report(
    name: str, rates: Mapping[str, Rate], ratios: Mapping[str, float], **more: object
) -> None:
    """Write out/bench/NAME.json and print the same as a table."""
    content = {
        "rates": {
            key: asdict(rate) | {"per_second": rate.per_second} for key, rate in rates.items()
        },
        "ratios": dict(ratios),
        **more,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    lines = [f"{key:40} {rate.per_second:10.1f} /s" for key, rate in rates.items()]
    lines += [f"{key:40} {ratio:10.3f}" for key, ratio in ratios.items()]
    lines += [f"{key:40} {value}" for key, value in more.items()]
    sys.stdout.write("\n".join(lines) + "\n")


def _paths(files: CertFiles) -> dict[str, str]:
    return {key: str(path) for key, path in asdict(files).items()}


async def _until_serving(service: BenchService, process: asyncio.subprocess.Process) -> None:
    async with service.caller("operator") as caller:
        health = health_pb2_grpc.HealthStub(caller.channel)

        async def serving() -> bool:
            if process.returncode is not None:
                raise RuntimeError(f"the service has ended with {process.returncode}")
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        await until(serving, START_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
