"""Which TLS our servers and clients speak, asked by a TLS library that is not gRPC's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from support.certificates import server_credentials
from zikao_kit.channel import open_channel
from zikao_kit.config import CertFiles
from zikao_kit.tls import DevelopmentCa

WAIT_SECONDS = 5.0
# In TLS 1.2: keys that are forgotten, and authenticated encryption.
WEAK_SUITES = "AES128-SHA:AES256-SHA:AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA"


class NothingAgreed(Exception):  # noqa: N818 - it is what happened
    """The handshake has failed."""


@asynccontextmanager
async def serving(files: CertFiles) -> AsyncIterator[int]:
    """A server with mutual TLS as every service has it; its port."""
    server = grpc.aio.server()
    port = server.add_secure_port("127.0.0.1:0", server_credentials(files))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(0)


async def agreed_with_anybody(files: CertFiles, context: ssl.SSLContext) -> tuple[str | None, str]:
    """What a server that takes whatever is offered agrees on: so the client does offer it."""
    willing = willing_context(files)

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=willing)
    async with server:
        return await agreed(server.sockets[0].getsockname()[1], context)


def willing_context(files: CertFiles) -> ssl.SSLContext:
    """A server of TLS 1.1 and newer, with weak suites too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert_file, files.key_file)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    return context


def client_context(files: CertFiles) -> ssl.SSLContext:
    """A client with a certificate of the installation; what it offers is set by each test."""
    context = ssl.create_default_context(cafile=str(files.ca_file))
    context.load_cert_chain(files.cert_file, files.key_file)
    context.set_alpn_protocols(["h2"])
    return context


async def agreed(port: int, context: ssl.SSLContext) -> tuple[str | None, str]:
    """Version and cipher suite that both have agreed on; raises NothingAgreed."""
    opening = asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
    try:
        _, writer = await asyncio.wait_for(opening, WAIT_SECONDS)
    except (ssl.SSLError, ConnectionResetError) as error:
        raise NothingAgreed from error
    connection = writer.get_extra_info("ssl_object")
    writer.close()
    return connection.version(), connection.cipher()[0]


async def test_the_latest_version_is_preferred(tmp_path: Path) -> None:
    """Whoever offers all versions gets TLS 1.3."""
    ca = DevelopmentCa(tmp_path)
    async with serving(ca.issue("enrollment")) as port:
        version, _ = await agreed(port, client_context(ca.issue("portal")))
    assert version == "TLSv1.3"


async def test_tls_1_2_has_forward_secrecy_and_authenticated_encryption(tmp_path: Path) -> None:
    """Whoever has no 1.3 gets a suite of ECDHE with GCM or ChaCha20."""
    ca = DevelopmentCa(tmp_path)
    context = client_context(ca.issue("portal"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(ca.issue("enrollment")) as port:
        version, suite = await agreed(port, context)
    assert version == "TLSv1.2"
    assert suite.startswith("ECDHE-")
    assert "GCM" in suite or "CHACHA20" in suite


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_older_versions_are_refused(tmp_path: Path) -> None:
    """TLS 1.1 gets no connection, however it is asked for."""
    ca = DevelopmentCa(tmp_path)
    context = client_context(ca.issue("portal"))
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    files = ca.issue("enrollment")
    assert (await agreed_with_anybody(files, context))[0] == "TLSv1.1"
    async with serving(files) as port:
        with pytest.raises(NothingAgreed):
            await agreed(port, context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_weak_suites_are_refused(tmp_path: Path) -> None:
    """Without forward secrecy or authenticated encryption there is no connection."""
    ca = DevelopmentCa(tmp_path)
    context = client_context(ca.issue("portal"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"{WEAK_SUITES}:@SECLEVEL=0")
    files = ca.issue("enrollment")
    assert (await agreed_with_anybody(files, context))[1] in WEAK_SUITES.split(":")
    async with serving(files) as port:
        with pytest.raises(NothingAgreed):
            await agreed(port, context)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_our_client_speaks_to_no_older_server(tmp_path: Path) -> None:
    """A server that has nothing newer than TLS 1.1 is not spoken to; one with 1.2 is."""
    ca = DevelopmentCa(tmp_path)
    files = ca.issue("enrollment")
    assert await reached(files, ca.issue("portal"), ssl.TLSVersion.TLSv1_2)
    assert not await reached(files, ca.issue("portal"), ssl.TLSVersion.TLSv1_1)


async def reached(files: CertFiles, caller: CertFiles, newest: ssl.TLSVersion) -> bool:
    """Whether a client of ours completes a handshake with a server of at most this version."""
    context = willing_context(files)
    context.maximum_version = newest
    shaken_hands = asyncio.Event()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        shaken_hands.set()
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with open_channel(f"127.0.0.1:{port}", caller, server_name="enrollment") as channel:
        channel.get_state(try_to_connect=True)
        try:
            await asyncio.wait_for(shaken_hands.wait(), 2.0)
        except TimeoutError:
            return False
        finally:
            server.close()
    return True
