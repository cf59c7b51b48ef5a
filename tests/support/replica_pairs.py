"""Two processes of each service behind one address, of which one is restarted at a time."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import yaml
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.bench import end_process, paths_of
from support.certificates import channel_credentials
from support.exposition import scrape
from support.service import RECONNECTING, free_port, until
from support.services import SERVICES
from zikao_client import Endpoints
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa

# Six processes that start at once on a machine with other things to do.
START_SECONDS = 120.0
# Connections are renewed while a test runs, as in a minute elsewhere. How fast a machine is that
# tests run on is no matter here: who waits a while is not sent away.
SERVER = {
    "max_connection_age_seconds": 4.0,
    "drain_grace_seconds": 15.0,
    "max_queue_seconds": 20.0,
    "batch_scheduling": False,
}


@dataclass
class Replica:
    """One process, by its configuration; `served` is what those before it at its place have."""

    service: str
    file: Path
    port: int
    metrics_port: int
    prober: CertFiles
    process: asyncio.subprocess.Process | None = None
    served: list[float] = field(default_factory=list)

    async def start(self) -> None:
        """Run, and return when it serves."""
        command = (sys.executable, "-m", f"zikao_{self.service}", "serve", "--config")
        with self.file.with_suffix(".log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *command, str(self.file), stdout=log, stderr=log
            )
        credentials = channel_credentials(self.prober)
        target = f"localhost:{self.port}"
        async with grpc.aio.secure_channel(target, credentials, RECONNECTING) as channel:
            health = health_pb2_grpc.HealthStub(channel)

            async def serving() -> bool:
                assert self.process is not None
                assert self.process.returncode is None, self.said
                try:
                    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
                except grpc.aio.AioRpcError:
                    return False
                return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

            await until(serving, START_SECONDS)

    @property
    def said(self) -> str:
        """The end of its log."""
        return self.file.with_suffix(".log").read_text()[-2000:]

    async def restart(self) -> None:
        """SIGTERM, as an orchestrator sends it, then another process at the same place."""
        await self.note_served()
        assert self.process is not None
        await end_process(self.process)
        assert self.process.returncode == 0, self.said
        await self.start()

    async def note_served(self) -> None:
        """Keep how many calls of its service the process has answered well so far."""
        families = await asyncio.to_thread(scrape, self.metrics_port)
        self.served.append(
            sum(
                sample.value
                for family in families
                if family.name == "grpc_server_handled"
                for sample in family.samples
                if sample.labels.get("grpc_code") == "OK"
            )
        )


@dataclass(frozen=True)
class Pairs:
    """All processes, by service."""

    ca_folder: Path
    ca: DevelopmentCa
    of: Mapping[str, Sequence[Replica]]

    def target(self, service: str) -> str:
        """Where a client that knows both finds a service."""
        return f"ipv4:{','.join(f'127.0.0.1:{each.port}' for each in self.of[service])}"

    @property
    def endpoints(self) -> Endpoints:
        """The same for all three."""
        return Endpoints(*map(self.target, SERVICES))

    @property
    def all(self) -> list[Replica]:
        """Every place."""
        return [each for pair in self.of.values() for each in pair]


@asynccontextmanager
async def running_pairs(
    folder: Path, settings: Mapping[str, Mapping[str, Any]]
) -> AsyncIterator[Pairs]:
    """Six processes that serve; `settings` are each service's own beside `server` and `log`."""
    ca = DevelopmentCa(folder / "certs")
    pairs = Pairs(
        folder / "certs",
        ca,
        {name: [_replica(folder, ca, name, settings[name]) for _ in range(2)] for name in SERVICES},
    )
    try:
        await asyncio.gather(*(each.start() for each in pairs.all))
        yield pairs
    finally:
        running = [each.process for each in pairs.all if each.process is not None]
        await asyncio.gather(*map(end_process, running))


def _replica(folder: Path, ca: DevelopmentCa, service: str, settings: Mapping[str, Any]) -> Replica:
    port, metrics_port = free_port(), free_port()
    config = {
        "log": {"level": "warning"},
        **settings,
        "server": {
            "listen": f"127.0.0.1:{port}",
            "metrics_port": metrics_port,
            "admin_listen": f"127.0.0.1:{free_port()}",
            "tls": paths_of(ca.issue(service)),
            **SERVER,
        },
    }
    file = folder / f"{service}-{port}.yaml"
    file.write_text(yaml.safe_dump(config))
    return Replica(service, file, port, metrics_port, ca.issue("operator"))
