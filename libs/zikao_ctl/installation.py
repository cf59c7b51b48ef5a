"""An installation on one machine: database, services and what they reach out to, as processes.

async with run_installation(Layout(Path("out/zikao")), port_base=7100, say=print) as installation:
    async with open_operator_channel(installation.targets.enrollment,
                                     installation.certificate("operator")) as channel:
        ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import grpc
from zikao_client.client import MAX_MESSAGE_BYTES
from zikao_kit.channel import open_channel
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa

from zikao_ctl.beside import beside, only_error
from zikao_ctl.database_server import DatabaseServer, DiskLimits, EmbeddedServer, ForeignServer
from zikao_ctl.databases import drop_data, prepare_databases, services_with_data
from zikao_ctl.embedded_postgres import EmbeddedPostgresError
from zikao_ctl.faults.proxy import CuttingProxy
from zikao_ctl.layout import InstallationError, Layout
from zikao_ctl.ports import DEFAULT_PORT_BASE, HOST, OFFSETS, POSTGRES, PROXY, claimed_ports
from zikao_ctl.programs import (
    ENROLLMENT_REPLICA,
    Part,
    Surroundings,
    dsn_of,
    parts_with,
    write_program,
)
from zikao_ctl.readiness import wait_until_serving
from zikao_ctl.secret_files import SecretFiles
from zikao_ctl.supervisor import Patience, Supervisor

OPERATOR = "operator"
"""Name in the certificate of whoever runs the installation (the contracts' `services`)."""
CALLERS = (OPERATOR, "office", "portal", "scanner", "roster-reader", "ticket-reader")
"""Those who call from outside and get certificates in advance."""

Say = Callable[[str], None]


def _target(name: str) -> str:
    return f"{HOST}:{DEFAULT_PORT_BASE + OFFSETS[name]}"


@dataclass(frozen=True)
class Targets:
    """Addresses of the services, `host:port`; by default those of `zikao up`."""

    registration: str = _target("registration")
    enrollment: str = _target("enrollment")
    tickets: str = _target("tickets")
    payment: str = _target("payment")
    outside: str = _target("outside")


class Elsewhere(Protocol):
    """Runs some parts of an installation in a way of its own: not as processes of ours."""

    @property
    def names(self) -> Collection[str]:
        """Of which parts."""
        ...

    def running(self, at: Surroundings) -> AbstractAsyncContextManager[None]:
        """Run them while the block runs, at the addresses of `at`; what they log is in its logs."""
        ...


@dataclass(frozen=True)
class Shape:
    """What rehearsals of faults, and tests, have otherwise than `zikao up`.

    `enrollments`: one or two processes of it. `proxy`: services reach the database through one
    that can cut them off. `disk`: the embedded database's is a small one. `patience`: how soon
    what died is started again. `elsewhere`: who runs some of the parts instead of us.
    """

    enrollments: int = 1
    proxy: bool = False
    disk: DiskLimits | None = None
    patience: Patience = field(default_factory=Patience)
    elsewhere: Elsewhere | None = None


class NoCertificates(OSError):  # noqa: N818 - says what is wrong
    """A folder does not have what a caller proves with who calls."""


def certificate_of(folder: Path, name: str) -> CertFiles:
    """The files of `name` in a folder as `zikao_kit.tls.DevelopmentCa` lays it out.

    Raises NoCertificates where one of them is not there.
    """
    files = (folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem")
    if not all(path.is_file() for path in files):
        raise NoCertificates(
            f"no certificates of {name} in {folder}: run `zikao up`, or give --certs"
        )
    return CertFiles(*files)


def open_operator_channel(target: str, files: CertFiles) -> grpc.aio.Channel:
    """A channel for an operator's calls, each of which brings its own deadline.

    The server has a certificate for the target's host, or for NAME where `NAME@` is before it.
    """
    name, _, target = target.rpartition("@")
    return open_channel(
        target, files, server_name=name or None, max_message_bytes=MAX_MESSAGE_BYTES
    )


class Installation:
    """What runs, and how to reach it; from `run_installation`."""

    def __init__(
        self, surroundings: Surroundings, supervisor: Supervisor, proxy: CuttingProxy | None
    ) -> None:
        """Describe it."""
        self._at = surroundings
        self._supervisor = supervisor
        self.proxy = proxy
        """Between the services and the database, in a shape that has one."""
        self.layout = surroundings.layout
        self.ports = dict(surroundings.ports)
        self.targets = Targets(
            **{part.service: surroundings.target_of(part.service) for part in surroundings.parts}
        )
        self.processes = {part.name: surroundings.target(part.name) for part in surroundings.parts}
        """Address of each process by its name; a service may have two."""
        self.clock_file = surroundings.layout.clock_file
        """The rehearsal's clock of all processes: `zikao_kit.clock.write_offset`, `OffsetClock`."""

    @property
    def admin_dsn(self) -> str:
        """The administrator's DSN of the installation's database."""
        return self._at.server.admin_dsn(self._at.server.database)

    @property
    def database_log_tail(self) -> str:
        """The end of what the embedded PostgreSQL has logged, to go on a sentence with."""
        return self._at.server.log_tail

    def dsn(self, service: str) -> str:
        """The DSN of a service's own role."""
        return dsn_of(self._at, service)

    def certificate(self, name: str) -> CertFiles:
        """The certificate of a caller, made when it is first asked for."""
        return self._at.ca.issue(name)

    @property
    def process_ids(self) -> dict[str, int]:
        """Ids of the processes that run now: registration, …, payment, and postgres if embedded."""
        return {**self._supervisor.process_ids, **self._at.server.process_ids}


@asynccontextmanager
async def run_installation(
    layout: Layout,
    *,
    port_base: int | None = DEFAULT_PORT_BASE,
    database_url: str | None = None,
    reset: bool = False,
    say: Say = print,
    shape: Shape | None = None,
) -> AsyncIterator[Installation]:
    """Run everything while the block runs; it begins when all are serving.

    `port_base` 0 or None: free ports, the same ones next time. `database_url`: an administrator's
    DSN of a PostgreSQL to use instead of the embedded one. `reset`: delete the data first. What
    dies is started again; what a killed installation left is taken up where it was. Use it in the
    main thread. Raises InstallationError.
    """
    shape = shape or Shape()
    with layout.claimed(reset=reset), _settled(layout, port_base, database_url, shape) as at:
        say(f"data in {layout.data}")
        elsewhere = shape.elsewhere
        theirs = elsewhere.names if elsewhere else ()
        programs = [write_program(part, at) for part in at.parts if part.name not in theirs]
        supervisor = Supervisor(programs, patience=shape.patience)
        try:
            async with AsyncExitStack() as stack:
                proxy = await _proxy(at, stack) if shape.proxy else None
                await stack.enter_async_context(beside(at.server.run()))
                await stack.enter_async_context(beside(supervisor.run()))
                if elsewhere:
                    await stack.enter_async_context(elsewhere.running(at))
                say(f"starting {', '.join(part.name for part in at.parts)}")
                await _start(at, supervisor, reset=reset, say=say)
                yield Installation(at, supervisor, proxy)
        except EmbeddedPostgresError as error:
            raise InstallationError(str(error)) from error
        finally:
            say("all processes have ended")


@contextmanager
def _settled(
    layout: Layout, port_base: int | None, database_url: str | None, shape: Shape
) -> Iterator[Surroundings]:
    """Decide on everything that the processes are told, before there is any."""
    parts = parts_with(shape.enrollments)
    names = _port_names(parts, embedded=database_url is None, proxy=shape.proxy)
    mark = layout.read_mark()
    with claimed_ports(names, port_base, mark.ports) as ports:
        layout.write_mark(replace(mark, ports=ports))
        layout.clock_file.parent.mkdir(exist_ok=True)
        ca = DevelopmentCa(layout.certs)
        for caller in CALLERS:
            ca.issue(caller)
        server: DatabaseServer = (
            ForeignServer(database_url)
            if database_url
            else EmbeddedServer(layout.postgres, ports[POSTGRES], shape.disk)
        )
        address = (
            f"postgresql://{HOST}:{ports[PROXY]}/?sslmode=disable"
            if shape.proxy
            else server.address
        )
        yield Surroundings(layout, ports, ca, SecretFiles(layout.secrets), server, parts, address)


def _port_names(parts: Sequence[Part], *, embedded: bool, proxy: bool) -> list[str]:
    """What listens: the sandbox's other faces too."""
    left_out = set() if embedded else {POSTGRES}
    if not proxy:
        left_out.add(PROXY)
    if ENROLLMENT_REPLICA not in (part.name for part in parts):
        left_out |= {ENROLLMENT_REPLICA, f"{ENROLLMENT_REPLICA}-metrics"}
    return [name for name in OFFSETS if name not in left_out]


async def _proxy(at: Surroundings, stack: AsyncExitStack) -> CuttingProxy:
    proxy = CuttingProxy(at.server.address, at.ports[PROXY])
    return await stack.enter_async_context(proxy)


async def _start(at: Surroundings, supervisor: Supervisor, *, reset: bool, say: Say) -> None:
    await at.server.until_it_answers()
    if reset:
        await drop_data(at.server)
    await _refuse_data_of_others(at)
    say("PostgreSQL answers")
    await prepare_databases(at.server, at.secrets.password, say)
    with only_error():
        async with asyncio.TaskGroup() as group:
            for part in at.parts:
                group.create_task(_wait_for(part.name, at, supervisor, say))


async def _refuse_data_of_others(at: Surroundings) -> None:
    """What another installation has encrypted, our keys do not open."""
    mark, identity = at.layout.read_mark(), at.server.identity
    if mark.database == identity:
        return
    if present := await services_with_data(at.server):
        raise InstallationError(
            f"database {identity} holds data of another installation ({', '.join(present)}): "
            f"give that one's --data, another database, or --reset to delete what is there"
        )
    at.layout.write_mark(replace(mark, database=identity))


async def _wait_for(name: str, at: Surroundings, supervisor: Supervisor, say: Say) -> None:
    files = at.ca.issue(OPERATOR)
    async with open_operator_channel(at.target(name), files) as channel:
        await wait_until_serving(name, channel, supervisor, at.layout.logs / f"{name}.log")
    say(f"{name} is serving on {at.target(name)}")
