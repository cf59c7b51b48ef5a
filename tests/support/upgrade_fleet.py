"""Processes of old and of new code over one database, as they are during an upgrade.

Each service has two places, `old` and `new`; callers and other services know both addresses, as
they know all pods of a service. Old and new get the same configuration: what an operator has
written for the old release is what the new one starts with.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import yaml
from prometheus_client import Metric
from support.exposition import scrape
from support.postgres import Cluster
from support.released_code import Code
from support.service import free_port
from support.service_databases import with_database
from support.services import SERVICES
from zikao_ctl.installation import OPERATOR, Targets, open_operator_channel
from zikao_ctl.layout import Layout
from zikao_ctl.ports import HOST
from zikao_ctl.readiness import wait_until_serving
from zikao_ctl.secret_files import SecretFiles
from zikao_ctl.supervisor import Program, Supervisor
from zikao_kit.config import CertFiles
from zikao_kit.roles import prepare_service
from zikao_kit.tls import DevelopmentCa

OLD, NEW = "old", "new"
PAYMENT = "payment"
DRAIN = {"drain_wait_seconds": 0.5, "drain_grace_seconds": 5.0}
# What `zikao-<service> migrate --phase` does, of all three in one process.
MIGRATE = """
import asyncio, pathlib, sys
from zikao_kit.migrate import migrate
for dsn in map(pathlib.Path, sys.argv[2:]):
    asyncio.run(migrate(dsn.read_text(), f"zikao_{dsn.stem}", sys.argv[1]))
"""
# Passwords of this test guard nothing, and there are hundreds of logins.
CHEAP_PASSWORDS = {"time_cost": 1, "memory_kib": 64}
HANDLED = "grpc_server_handled"


@dataclass(frozen=True)
class Replica:
    """A process of a service, and the code that it runs."""

    service: str
    kind: str

    def __str__(self) -> str:
        """Its name."""
        return f"{self.service}-{self.kind}"


class Fleet:
    """What runs; from `open_fleet`. For the story it is an installation (`zikao_ctl.demo`)."""

    def __init__(self, folder: Path, admin_dsn: str, codes: Mapping[str, Code]) -> None:
        """Decide on addresses, secrets and certificates; nothing runs."""
        self.admin_dsn = admin_dsn
        self.layout = Layout(folder)
        self.clock_file = self.layout.clock_file
        self.clock_file.parent.mkdir(exist_ok=True)
        self._codes = codes
        self._ca = DevelopmentCa(self.layout.certs)
        self._secrets = SecretFiles(self.layout.secrets)
        kinds = (OLD, NEW)
        names = [PAYMENT, *(f"{service}-{kind}" for service in SERVICES for kind in kinds)]
        everything = [*names, *(f"{name}-metrics" for name in names)]
        self._ports = {name: free_port() for name in everything}
        self._running: dict[str, tuple[Supervisor, asyncio.Task[None]]] = {}
        self.targets = Targets(
            **{service: self._target_of(service) for service in SERVICES},
            payment=f"{HOST}:{self._ports[PAYMENT]}",
            outside="",
        )

    def certificate(self, name: str) -> CertFiles:
        """The certificate of a caller."""
        return self._ca.issue(name)

    async def prepare(self, database: str, maintenance_dsn: str) -> None:
        """Make the database with the services' roles, and write their configurations."""
        for service in SERVICES:
            password = secrets.token_urlsafe()
            dsn = await prepare_service(maintenance_dsn, database, service, password)
            self._secrets.dsn_file(service, dsn)
            for kind in (OLD, NEW):
                self._write(f"{service}-{kind}", service, self._settings(service))
        peer = self._peer("enrollment")
        payment = {"database_file": str(self.layout.payment_ledger), "enrollment": peer}
        self.layout.payment_ledger.parent.mkdir(exist_ok=True)
        self._write(PAYMENT, "payment-platform", payment)

    async def migrate(self, kind: str, phase: str) -> str:
        """Apply a phase by the migrations of old or new code, as each service; what was said."""
        code = self._codes[kind]
        dsns = (str(self.layout.secrets / f"{service}.dsn") for service in SERVICES)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", MIGRATE, phase, *dsns),
            env=code.environment(),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        return said

    async def start_platform(self) -> None:
        """Start the payment platform, which is no part of an upgrade."""
        await self._start(PAYMENT, ("zikao_sandbox",), self._codes[NEW])

    async def start(self, kind: str, services: Sequence[str] = SERVICES) -> None:
        """Start replicas and wait until they serve."""
        async with asyncio.TaskGroup() as group:
            for service in services:
                command, name = (f"zikao_{service}", "serve"), f"{service}-{kind}"
                group.create_task(self._start(name, command, self._codes[kind]))

    async def stop(self, kind: str, services: Sequence[str] = SERVICES) -> None:
        """End replicas one after the other, as a rolling update does; each must have lived on."""
        for service in services:
            await self._stop(f"{service}-{kind}")

    async def stop_all(self) -> None:
        """End what still runs."""
        for name in list(self._running):
            await self._stop(name)

    @property
    def running(self) -> set[str]:
        """Names of the replicas that run."""
        return set(self._running) - {PAYMENT}

    async def calls_answered(self) -> dict[str, int]:
        """How many calls each running replica has answered with OK."""
        names = sorted(self.running)
        ports = [self._ports[f"{name}-metrics"] for name in names]
        exposed = await asyncio.gather(*(asyncio.to_thread(scrape, port) for port in ports))
        return dict(zip(names, map(_answered, exposed), strict=True))

    async def _start(self, name: str, module: tuple[str, ...], code: Code) -> None:
        command = code.command(*module, "--config", str(self._config(name)))
        log_file = self.layout.logs / f"{name}.log"
        supervisor = Supervisor([Program(name, command, code.environment(), log_file)])
        self._running[name] = (supervisor, asyncio.create_task(supervisor.run()))
        target = f"{HOST}:{self._ports[name]}"
        async with open_operator_channel(target, self.certificate(OPERATOR)) as channel:
            await wait_until_serving(name, channel, supervisor, log_file)

    async def _stop(self, name: str) -> None:
        supervisor, running = self._running.pop(name)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert supervisor.deaths(name) == 0, f"{name} has ended by itself"

    def _target_of(self, service: str) -> str:
        places = (f"{HOST}:{self._ports[f'{service}-{kind}']}" for kind in (OLD, NEW))
        return f"ipv4:{','.join(places)}"

    def _peer(self, service: str, server_name: str = "") -> Mapping[str, str]:
        target = getattr(self.targets, service)
        return {"target": target, "server_name": server_name or service}

    def _settings(self, service: str) -> Mapping[str, Any]:
        settings: dict[str, Any] = {
            "database": {"dsn_file": str(self.layout.secrets / f"{service}.dsn")}
        }
        if service != "enrollment":
            settings["key_ring_file"] = str(self._secrets.key_ring_file(service))
        if service == "registration":
            settings["argon2"] = CHEAP_PASSWORDS
        else:
            settings["registration"] = self._peer("registration")
        if service == "enrollment":
            settings["platform"] = self._peer(PAYMENT, "payment-platform")
        if service == "tickets":
            settings["enrollment"] = self._peer("enrollment")
        return settings

    def _write(self, name: str, certificate: str, settings: Mapping[str, Any]) -> None:
        tls = {key: str(path) for key, path in asdict(self.certificate(certificate)).items()}
        server = {
            "listen": f"{HOST}:{self._ports[name]}",
            "metrics_port": self._ports[f"{name}-metrics"],
            "tls": tls,
            **DRAIN,
        }
        clock = {"offset_file": str(self.clock_file)}
        content = yaml.safe_dump({"server": server, "clock": clock, **settings})
        file = self._config(name)
        file.parent.mkdir(exist_ok=True)
        file.write_text(content, encoding="utf-8")

    def _config(self, name: str) -> Path:
        return self.layout.config / f"{name}.yaml"


def _answered(families: Sequence[Metric]) -> int:
    return int(
        sum(
            sample.value
            for family in families
            if family.name == HANDLED
            for sample in family.samples
            if sample.labels["grpc_code"] == "OK" and "health" not in sample.labels["grpc_service"]
        )
    )


@asynccontextmanager
async def open_fleet(
    cluster: Cluster, folder: Path, codes: Mapping[str, Code]
) -> AsyncIterator[Fleet]:
    """An empty database of its own and what is needed to run services; ends what still runs."""
    database = f"upgrade_{uuid4().hex[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    fleet = Fleet(folder, with_database(cluster.admin_dsn, database), codes)
    try:
        await fleet.prepare(database, cluster.admin_dsn)
        yield fleet
    finally:
        await fleet.stop_all()
        await _drop(cluster, database)


async def _drop(cluster: Cluster, database: str) -> None:
    admin = await asyncpg.connect(cluster.admin_dsn)
    try:
        await admin.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        for service in SERVICES:
            await admin.execute(f"DROP ROLE IF EXISTS {database}_{service}")
    finally:
        await admin.close()
