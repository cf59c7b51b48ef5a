"""The three services of an installation as containers: `Shape(elsewhere=ServiceContainers())`.

Each sees what a pod sees: its settings, certificates and secrets as read-only files, the others by
their names in a network of their own. Its ports are published on this machine's loopback. The
database and what is not ours (payment platform, mail, …) are on this machine.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import yaml
from support.forwarding import LOOPBACK, forwarding
from support.images import hardened
from support.postgres import settle_reaper
from support.services import SERVICES
from zikao_ctl.programs import Part, Settings, Surroundings, settings_of

if TYPE_CHECKING:
    from docker.models.containers import Container  # type: ignore[import-untyped]
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network

GRPC_PORT = 7100
METRICS_PORT = 9100
ADMIN_PORT = 7180
EVERYWHERE = "0.0.0.0"
FOLDER = "/etc/zikao"
CLOCK_FOLDER = "/var/lib/zikao-clock"
# Names of this machine in the containers; the first is also the one in its certificate.
OUTSIDE, PAYMENT, DATABASE = HOST_NAMES = ("outside", "payment", "database")
HOST_PORTS = ("payment", "sms", "mail", "identity")
# More than what the parts are told for draining: who is not out by then is killed.
STOP_SECONDS = 20


class Inside(Surroundings):
    """The installation as a container sees it."""

    def target(self, name: str) -> str:
        """Services have addresses of their own; the rest is on the machine."""
        if name in SERVICES:
            return f"{name}:{GRPC_PORT}"
        return f"{PAYMENT if name == PAYMENT else OUTSIDE}:{self.ports[name]}"


class ServiceContainers:
    """Runs the services' images (`zikao_ctl.installation.Elsewhere`)."""

    names = SERVICES

    def __init__(self) -> None:
        """Nothing is started yet."""
        self.containers: dict[str, Container] = {}
        """By service, while they run."""
        self._place: _Place | None = None

    @asynccontextmanager
    async def running(self, at: Surroundings) -> AsyncIterator[None]:
        """Run them while the block runs."""
        settle_reaper()
        from testcontainers.core.network import Network  # noqa: PLC0415 - reads settings

        database_port = urlsplit(at.database_address).port
        assert database_port is not None
        ports = [*(at.ports[name] for name in HOST_PORTS), database_port]
        async with AsyncExitStack() as stack:
            network = stack.enter_context(Network())
            self._place = place = _Place(at, network, _gateway(network))
            await stack.enter_async_context(forwarding(place.gateway, ports))
            for part in (part for part in at.parts if part.name in SERVICES):
                running = _running(part, place)
                self.containers[part.name] = await stack.enter_async_context(running)
            yield

    async def run_job(
        self, service: str, dsn: str, *command: str, until: str = ""
    ) -> tuple[int, str]:
        """Run a command of a service's image on another database: its status, and what it says.

        To its end, or `until` it has said something and is told to end.
        """
        assert self._place is not None
        place = self._place
        part = next(part for part in place.at.parts if part.name == service)
        folder = place.folder(f"{service}-job")
        await asyncio.to_thread(_write_files, folder, part, place.at)
        address = urlsplit(dsn)
        netloc = f"{address.netloc.rpartition('@')[0]}@{DATABASE}:{address.port}"
        _put(folder / "secrets" / f"{service}.dsn", address._replace(netloc=netloc).geturl())
        container = _container(service, folder, place)
        container.with_command([*command, "--config", f"{FOLDER}/config.yaml"])
        with container:
            wrapped = container.get_wrapped_container()
            if until:
                await asyncio.to_thread(_until_it_says, wrapped, until)
                await asyncio.to_thread(wrapped.stop, timeout=STOP_SECONDS)
            ended = await asyncio.to_thread(wrapped.wait)
            return ended["StatusCode"], wrapped.logs().decode()


@dataclass(frozen=True)
class _Place:
    """Where containers run: in a network, beside what the gateway of it leads to."""

    at: Surroundings
    network: Network
    gateway: str

    def folder(self, name: str) -> Path:
        """What a container finds at FOLDER."""
        return self.at.layout.data / "containers" / name


def _container(service: str, folder: Path, place: _Place) -> DockerContainer:
    container = hardened(service, extra_hosts=dict.fromkeys(HOST_NAMES, place.gateway))
    container.with_network(place.network)
    container.with_volume_mapping(str(folder), FOLDER, "ro")
    clock_folder = place.at.layout.clock_file.parent
    return container.with_volume_mapping(str(clock_folder), CLOCK_FOLDER, "ro")


@asynccontextmanager
async def _running(part: Part, place: _Place) -> AsyncIterator[Container]:
    at, folder = place.at, place.folder(part.name)
    await asyncio.to_thread(_write_files, folder, part, at)
    container = _container(part.name, folder, place).with_network_aliases(part.name)
    ports: dict[str, Any] = container.ports
    ports[f"{GRPC_PORT}/tcp"] = (LOOPBACK, at.ports[part.name])
    ports[f"{METRICS_PORT}/tcp"] = (LOOPBACK, at.ports[f"{part.name}-metrics"])
    await asyncio.to_thread(container.start)
    wrapped = container.get_wrapped_container()
    logging = asyncio.create_task(
        asyncio.to_thread(_keep_log, wrapped, at.layout.logs / f"{part.name}.log")
    )
    try:
        yield wrapped
    finally:
        await asyncio.to_thread(wrapped.stop, timeout=STOP_SECONDS)
        await logging
        await asyncio.to_thread(container.stop)


def _gateway(network: Network) -> str:
    described = network._unwrap_network
    described.reload()
    return str(described.attrs["IPAM"]["Config"][0]["Gateway"])


def _until_it_says(container: Container, word: str) -> None:
    said = b""
    for piece in container.logs(stream=True, follow=True):
        said += piece
        if word.encode() in said:
            return


def _keep_log(container: Container, file: Path) -> None:
    """Write down what a container says, until it ends."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as log:
        for piece in container.logs(stream=True, follow=True):
            log.write(piece)
            log.flush()


def _write_files(folder: Path, part: Part, at: Surroundings) -> None:
    """What is mounted at FOLDER. Another user reads it, so the folders above keep others out."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in ("tls", "secrets"):
        (folder / name).mkdir(parents=True)
    address = f"postgresql://{DATABASE}:{urlsplit(at.database_address).port}/postgres"
    seen = {field.name: getattr(at, field.name) for field in fields(at)}
    settings = settings_of(part, Inside(**seen | {"database_address": address}))
    settings["clock"] = {"offset_file": f"{CLOCK_FOLDER}/{at.layout.clock_file.name}"}
    settings["server"] |= {
        "listen": f"{EVERYWHERE}:{GRPC_PORT}",
        "admin_listen": f"{EVERYWHERE}:{ADMIN_PORT}",
        "metrics_host": EVERYWHERE,
        "metrics_port": METRICS_PORT,
        "tls": _put_certificates(folder / "tls", settings["server"]["tls"]),
    }
    _put(folder / "config.yaml", yaml.safe_dump(_put_secrets(folder / "secrets", settings)))


def _put_certificates(folder: Path, files: Mapping[str, str]) -> Settings:
    names = {"cert_file": "tls.crt", "key_file": "tls.key", "ca_file": "ca.crt"}
    for key, name in names.items():
        _put(folder / name, Path(files[key]).read_text())
    return {key: f"{FOLDER}/tls/{name}" for key, name in names.items()}


def _put_secrets(folder: Path, settings: Settings) -> Settings:
    """The settings with paths in the container, wherever one of this machine stood."""

    def inside(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: inside(of) for key, of in value.items()}
        if not isinstance(value, str) or not value.startswith("/") or not Path(value).is_file():
            return value
        _put(folder / Path(value).name, Path(value).read_text())
        return f"{FOLDER}/secrets/{Path(value).name}"

    found: Settings = inside(settings)
    return found


def _put(file: Path, text: str) -> None:
    file.unlink(missing_ok=True)
    file.write_text(text)
    file.chmod(0o444)
