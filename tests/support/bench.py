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
from support.certificates import channel_credentials
from support.service import Caller, free_port, until
from support.targets import Target
from zikao_ctl.embedded_postgres import EmbeddedPostgres
from zikao_kit.config import CertFiles
from zikao_kit.crypto import KeyRing
from zikao_kit.migrate import migrate
from zikao_kit.roles import prepare_service
from zikao_kit.tls import DevelopmentCa

OUT = Path(__file__).parents[2] / "out" / "bench"
START_SECONDS = 60.0
STOP_SECONDS = 20.0
_DATABASE, _PASSWORD = "zikao_bench", "bench"
_MEBIBYTE = 1024 * 1024
CHANNEL = [
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
        async with grpc.aio.secure_channel(target, credentials, CHANNEL) as channel:
            yield Caller(channel)


@contextmanager
def own_postgres(folder: Path, **settings: str) -> Iterator[str]:
    """A PostgreSQL that keeps what it commits, as in production; yields the superuser's DSN."""
    with own_cluster(folder, **settings) as postgres:
        yield postgres.dsn()


@contextmanager
def own_cluster(folder: Path, **settings: str) -> Iterator[EmbeddedPostgres]:
    """The same cluster with its processes."""
    with EmbeddedPostgres(folder / "postgres", settings=settings) as postgres:
        yield postgres


@asynccontextmanager
async def registration_process(
    folder: Path, admin_dsn: str, **settings: Any
) -> AsyncIterator[BenchService]:
    """Registration with its database, migrated; `settings` are sections of its configuration."""
    dsn, keys = await migrated(admin_dsn, "registration"), KeyRing.generate()
    keys.write(folder / "keys.yaml")
    settings |= {"key_ring_file": str(folder / "keys.yaml")}
    async with service_process(folder, dsn, "registration", settings) as (service, ca):
        yield BenchService(dsn, service.port, service.process_id, ca, keys)


@dataclass(frozen=True)
class ServiceProcess:
    """Where a process listens, and its id."""

    port: int
    process_id: int


async def migrated(admin_dsn: str, service: str) -> str:
    """The DSN of a service's database, with its tables."""
    dsn = await prepare_service(admin_dsn, _DATABASE, service, _PASSWORD)
    await migrate(dsn, f"zikao_{service}", say=lambda _: None)
    return dsn


@asynccontextmanager
async def service_process(
    folder: Path, dsn: str, service: str, settings: Mapping[str, Any]
) -> AsyncIterator[tuple[ServiceProcess, DevelopmentCa]]:
    """A service on a migrated database, with `settings` beside server, database and log.

    Those of `server` come to what is needed there.
    """
    ca, port = DevelopmentCa(folder / "certs"), free_port()
    config = {
        "database": {"dsn": dsn},
        "log": {"level": "warning"},
        **settings,
        "server": {
            "listen": f"127.0.0.1:{port}",
            "tls": paths_of(ca.issue(service)),
            **settings.get("server", {}),
        },
    }
    file = folder / f"{service}-{port}.yaml"
    file.write_text(yaml.safe_dump(config))
    command = (f"zikao_{service}", "serve", "--config", str(file))
    async with _serving(port, ca, command) as started:
        yield started, ca


@asynccontextmanager
async def platform_process(folder: Path) -> AsyncIterator[ServiceProcess]:
    """The sandbox's payment platform, which tells nobody of payments."""
    ca, port = DevelopmentCa(folder / "certs"), free_port()
    config = {
        "server": {"listen": f"127.0.0.1:{port}", "tls": paths_of(ca.issue("payment-platform"))},
        "database_file": str(folder / "platform.sqlite"),
        "enrollment": {"target": f"127.0.0.1:{free_port()}", "server_name": "enrollment"},
        "log": {"level": "error"},
    }
    file = folder / f"platform-{port}.yaml"
    file.write_text(yaml.safe_dump(config))
    async with _serving(port, ca, ("zikao_sandbox", "--config", str(file))) as started:
        yield started


@asynccontextmanager
async def _serving(
    port: int, ca: DevelopmentCa, command: tuple[str, ...]
) -> AsyncIterator[ServiceProcess]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", *command)
    try:
        await _until_serving(port, ca, process)
        yield ServiceProcess(port, process.pid)
    finally:
        await end_process(process)


async def rate_of(work: Iterable[Callable[[], Awaitable[int]]]) -> Rate:
    """Let all work go on at once until it ends by itself; each tells how many calls it made."""
    started = time.perf_counter()
    calls = await asyncio.gather(*(each() for each in work))
    return Rate(sum(calls), time.perf_counter() - started)


def report(
    name: str,
    rates: Mapping[str, Rate],
    ratios: Mapping[str, float],
    *,
    wanted: Mapping[str, float] | None = None,
    targets: Mapping[str, Target] | None = None,
    **more: object,
) -> None:
    """Write out/bench/NAME.json and print the same as a table.

    `wanted` are the least ratios, `targets` figures of all kinds with their limits.
    """
    wanted, targets = wanted or {}, targets or {}
    content = {
        "rates": {
            key: asdict(rate) | {"per_second": rate.per_second} for key, rate in rates.items()
        },
        "ratios": dict(ratios),
        "wanted": dict(wanted),
        "targets": {key: target.described() for key, target in targets.items()},
        **more,
    }
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{name}.json").write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    lines = [f"{key:40} {rate.per_second:10.1f} /s" for key, rate in rates.items()]
    lines += [
        f"{key:40} {ratio:10.3f}{_judged(ratio, wanted.get(key))}" for key, ratio in ratios.items()
    ]
    lines += [f"{key:40} {value}" for key, value in more.items()]
    lines += [
        f"{key:40} {_in_figures(target.figure):>10}   {target.in_words()}"
        for key, target in targets.items()
    ]
    sys.stdout.write("\n".join(lines) + "\n")


def paths_of(files: CertFiles) -> dict[str, str]:
    """The files of a certificate, as a configuration has them."""
    return {key: str(path) for key, path in asdict(files).items()}


async def _until_serving(port: int, ca: DevelopmentCa, process: asyncio.subprocess.Process) -> None:
    credentials = channel_credentials(ca.issue("operator"))
    async with grpc.aio.secure_channel(f"localhost:{port}", credentials, CHANNEL) as channel:
        health = health_pb2_grpc.HealthStub(channel)

        async def serving() -> bool:
            if process.returncode is not None:
                raise RuntimeError(f"the service has ended with {process.returncode}")
            try:
                answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1.0)
            except grpc.aio.AioRpcError:
                return False
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

        await until(serving, START_SECONDS)


async def end_process(process: asyncio.subprocess.Process) -> None:
    """Let a process end by itself, or end it."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _in_figures(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _judged(ratio: float, least: float | None) -> str:
    if least is None:
        return ""
    return f"   (at least {least:.2f}: {'kept' if ratio >= least else 'FALLS SHORT'})"
