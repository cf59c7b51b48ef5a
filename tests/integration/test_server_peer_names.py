"""A real server looks the name of a connection up once: never another one's."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import grpc
from cryptography import x509
from support.certificates import (
    channel_credentials,
    key_fingerprint_of,
    nameless,
    new_certificate,
)
from support.probe import running_probe
from support.service import free_port
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit.config import CertFiles
from zikao_kit.tls import CONNECTIONS_KEPT, PeerNames

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 64 * 1024


@asynccontextmanager
async def all_from_one_port(port: int) -> AsyncIterator[int]:
    """A port whose connections, one after the other, reach `port` from one and the same."""
    source = free_port()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE_BYTES):
                writer.write(piece)
        writer.transport.abort()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward = socket.socket()
        # Closed with a reset, so that the port is free at once.
        onward.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        onward.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        onward.bind((LOOPBACK, source))
        onward.setblocking(False)
        await asyncio.get_running_loop().sock_connect(onward, (LOOPBACK, port))
        answers, questions = await asyncio.open_connection(sock=onward)
        await asyncio.gather(pass_on(reader, questions), pass_on(answers, writer))

    async with await asyncio.start_server(accept, LOOPBACK, 0) as server:
        yield server.sockets[0].getsockname()[1]


async def name_of(port: int, files: CertFiles) -> str:
    """The caller of two calls over a new connection, as the server sees it; "-" when refused."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    credentials = channel_credentials(files)
    async with grpc.aio.secure_channel(f"{LOOPBACK}:{port}", credentials, options) as channel:
        stub = probe_pb2_grpc.ProbeServiceStub(channel)
        names = set()
        for _ in range(2):
            call = stub.Open(probe_pb2.OpenRequest(), timeout=5)
            is_refused = await call.code() is grpc.StatusCode.PERMISSION_DENIED
            names.add("-" if is_refused else (await call).caller)
    (name,) = names
    return name


async def test_whoever_comes_from_the_port_of_another_keeps_its_own_name(tmp_path: Path) -> None:
    """A port is used again as soon as its connection is gone: by anybody behind one address."""
    async with (
        running_probe(tmp_path / "ca") as probe,
        all_from_one_port(probe.server.port) as port,
    ):
        portal, scanner = probe.ca.issue("portal"), probe.ca.issue("scanner")
        names = [await name_of(port, files) for files in (portal, scanner, portal)]
        assert names == ["portal", "scanner", "portal"]
        assert await name_of(port, nameless(tmp_path / "ca")) == ""


async def test_a_host_that_is_called_like_a_system_is_none(tmp_path: Path) -> None:
    """The texts of two certificates are the same, and one states a DNS name."""
    identity = "spiffe://zikao/portal"
    async with running_probe(tmp_path / "ca") as probe:
        portal = nameless(tmp_path / "ca", identity)
        host = nameless(tmp_path / "ca", identity, x509.DNSName)
        names = [await name_of(probe.server.port, files) for files in (portal, host, portal)]
        assert names == ["portal", "", "portal"]


async def test_a_stolen_certificate_opens_nothing_from_the_port_of_a_good_one(
    tmp_path: Path,
) -> None:
    """They have all names in common."""
    async with running_probe(tmp_path / "ca") as probe:
        stolen = probe.ca.issue("portal")
    refused = [key_fingerprint_of(stolen)]
    async with (
        running_probe(tmp_path / "ca", refused_certificates=refused) as probe,
        all_from_one_port(probe.server.port) as port,
    ):
        good = new_certificate(tmp_path / "ca", "portal")
        names = [await name_of(port, files) for files in (good, stolen, good)]
        assert names == ["portal", "-", "portal"]


class Connection:
    """What gRPC tells of a connection with the certificate of a system, and how often it did."""

    def __init__(self, name: str) -> None:
        self._identity = f"spiffe://zikao/{name}".encode()
        self.told = 0

    def peer_identities(self) -> list[bytes]:
        """All names in the certificate."""
        return [self._identity]

    def auth_context(self) -> dict[str, list[bytes]]:
        """The certificate and all that is in it."""
        self.told += 1
        return {"peer_spiffe_id": [self._identity]}


def test_names_are_looked_up_once_and_only_some_are_kept() -> None:
    """A flood of new connections takes no more memory than so many, and costs one a look-up."""
    names, portal = PeerNames(), Connection("portal")
    for _ in range(3):
        assert names.of("ipv4:127.0.0.1:1", portal) == "portal"
    assert portal.told == 1
    for port in range(2, CONNECTIONS_KEPT + 2):
        assert names.of(f"ipv4:127.0.0.1:{port}", Connection("scanner")) == "scanner"
    assert names.of("ipv4:127.0.0.1:1", portal) == "portal"
    assert portal.told == 2
