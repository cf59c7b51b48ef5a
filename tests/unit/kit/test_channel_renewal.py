"""Channels whose certificate files are replaced while they are in use."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography import x509
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.certificates import new_certificate, replace_files, serial_of, server_credentials
from support.service import free_port, until
from zikao_kit import channel_renewal, tls
from zikao_kit.certificates import Certificates
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.channel_renewal import Channels, RenewedChannels
from zikao_kit.config import CertFiles, ConfigError
from zikao_kit.tls import DevelopmentCa

SERVICE = "zikao.test.Serials"
ONE, SLOW, STREAM = (f"/{SERVICE}/{name}" for name in ("One", "Slow", "Stream"))
CONFIG = ServiceConfig(long_lived=frozenset({STREAM}))

Context = grpc.aio.ServicerContext[bytes, bytes]


class Serials:
    """Answers with the serial number of the caller's certificate; some when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.waiting = 0

    async def one(self, _: bytes, context: Context) -> bytes:
        """At once."""
        (pem,) = context.auth_context()["x509_pem_cert"]
        return str(x509.load_pem_x509_certificate(bytes(pem)).serial_number).encode()

    async def slow(self, request: bytes, context: Context) -> bytes:
        """When it is told to."""
        self.waiting += 1
        await self.go_on.wait()
        return await self.one(request, context)

    async def stream(self, request: bytes, context: Context) -> AsyncIterator[bytes]:
        """Once at once, and once when it is told to."""
        yield await self.one(request, context)
        yield await self.slow(request, context)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_renewal, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(channel_renewal, "LEAVE_SECONDS", 0.01)


@pytest.fixture
def ca(tmp_path: Path) -> DevelopmentCa:
    """The authority of both ends."""
    return DevelopmentCa(tmp_path / "ca")


@pytest.fixture
def files(ca: DevelopmentCa) -> CertFiles:
    """The caller's files."""
    return ca.issue("portal")


@pytest.fixture
def serials() -> Serials:
    """What answers."""
    return Serials()


@pytest.fixture
async def target(ca: DevelopmentCa, serials: Serials) -> AsyncIterator[str]:
    """Where somebody answers."""
    server = grpc.aio.server()
    handlers = {
        "One": grpc.unary_unary_rpc_method_handler(serials.one),
        "Slow": grpc.unary_unary_rpc_method_handler(serials.slow),
        "Stream": grpc.unary_stream_rpc_method_handler(serials.stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    credentials = server_credentials(ca.issue("enrollment"))
    port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(None)


async def serial_seen(channel: grpc.aio.Channel) -> int:
    """Which certificate a call shows that begins now."""
    return int(await channel.unary_unary(ONE, None, None)(b"", timeout=5))


async def until_shown(channel: grpc.aio.Channel, serial: int) -> None:
    """Call until calls go out with a certificate; none fails."""

    async def shown() -> bool:
        return await serial_seen(channel) == serial

    await until(shown)


@pytest.mark.parametrize("apart", [False, True])
async def test_calls_under_way_end_where_they_began(
    ca: DevelopmentCa, files: CertFiles, serials: Serials, target: str, *, apart: bool
) -> None:
    """New calls show the new certificate; a slow one and a subscription end well with the old."""
    old, new = serial_of(files), new_certificate(files.ca_file.parent, "portal")
    async with open_channel(target, files, CONFIG, subscriptions_apart=apart) as channel:
        one = channel.unary_unary(ONE, None, None)
        slow = asyncio.ensure_future(channel.unary_unary(SLOW, None, None)(b"", timeout=20))
        stream: Any = channel.unary_stream(STREAM, None, None)(b"")
        assert int(await stream.read()) == old
        await until(lambda: serials.waiting == 2)
        replace_files(files, new)
        await until_shown(channel, serial_of(new))
        # Also of a stub that was made before.
        assert int(await one(b"", timeout=5)) == serial_of(new)
        serials.go_on.set()
        assert int(await slow) == old
        assert int(await stream.read()) == old
        assert await stream.code() is grpc.StatusCode.OK
        again: Any = channel.unary_stream(STREAM, None, None)(b"")
        assert int(await again.read()) == serial_of(new)


async def test_what_is_not_whole_changes_nothing(files: CertFiles, target: str) -> None:
    """A certificate without its key is not used, and calls go on."""
    old, new = serial_of(files), new_certificate(files.ca_file.parent, "portal")
    async with open_channel(target, files) as channel:
        files.cert_file.write_bytes(new.cert_file.read_bytes())
        for _ in range(10):
            assert await serial_seen(channel) == old
        files.key_file.write_bytes(new.key_file.read_bytes())
        await until_shown(channel, serial_of(new))


async def test_what_nobody_accepts_is_used_when_it_is_accepted(
    ca: DevelopmentCa, files: CertFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate of an authority that servers do not know yet costs no call, however long.

    That is said and counted once. It is tried on, and used as soon as servers know its authority.
    """
    foreign = DevelopmentCa(tmp_path / "foreign").issue("portal")
    both = files.ca_file.read_bytes() + foreign.ca_file.read_bytes()
    monkeypatch.setattr(channel_renewal, "CONNECT_SECONDS", 0.1)
    own = new_certificate(files.ca_file.parent, "enrollment")
    server_files = replace(own, ca_file=tmp_path / "known.pem")
    server_files.ca_file.write_bytes(files.ca_file.read_bytes())
    before = counted_failures()
    server, port = await listening(server_files, 0)
    async with open_channel(f"127.0.0.1:{port}", files, server_name="localhost") as channel:
        old = serial_of(files)
        assert await serial_seen(channel) == old
        with capture_logs() as logs:
            replace_files(files, foreign)
            files.ca_file.write_bytes(both)

            async def said() -> bool:
                assert await serial_seen(channel) == old
                return any(line["event"] == "certificate not accepted" for line in logs)

            await until(said)
            for _ in range(20):
                assert await serial_seen(channel) == old
                await asyncio.sleep(0.02)
        assert [line["event"] for line in logs].count("certificate not accepted") == 1
        assert counted_failures() == before + 1
        await server.stop(None)
        server_files.ca_file.write_bytes(both)
        server, _ = await listening(server_files, port)

        async def used() -> bool:
            call = channel.unary_unary(ONE, None, None)(b"", timeout=5)
            is_ok = await call.code() is grpc.StatusCode.OK
            return is_ok and int(await call) == serial_of(foreign)

        await until(used)
    await server.stop(None)


async def test_a_certificate_that_has_ended_makes_way(
    files: CertFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the one before has ended nothing is kept by it: the newer one is used."""
    monkeypatch.setattr(channel_renewal, "CONNECT_SECONDS", 0.1)
    with monkeypatch.context() as patch:
        patch.setattr(tls, "BACKDATE_MINUTES", 3 * 24 * 60)
        patch.setattr(tls, "LEAF_LIFETIME_DAYS", -1)
        replace_files(files, new_certificate(files.ca_file.parent, "portal"))

    def open_one(certificates: Certificates) -> Channels:
        credentials = certificates.channel_credentials()
        return Channels(grpc.aio.secure_channel(f"127.0.0.1:{free_port()}", credentials))

    renewed = RenewedChannels(files, open_one)
    first = renewed.now()
    replace_files(files, new_certificate(files.ca_file.parent, "portal"))
    await until(lambda: renewed.now() is not first)
    await renewed.close(None)


def counted_failures() -> float:
    """Certificates of channels that could not be used so far."""
    name = "zikao_certificate_reload_failures_total"
    return REGISTRY.get_sample_value(name, {"by": "channel"}) or 0.0


async def listening(files: CertFiles, port: int) -> tuple[grpc.aio.Server, int]:
    """A server that says which certificate it is called with."""
    server = grpc.aio.server()
    handlers = {"One": grpc.unary_unary_rpc_method_handler(Serials().one)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_secure_port(f"127.0.0.1:{port}", server_credentials(files))
    await server.start()
    return server, port


async def test_the_newest_of_several_counts(files: CertFiles, target: str) -> None:
    """Who is replaced again while it connects is closed, and not used after the newer one."""
    opened: list[Channels] = []

    def open_one(certificates: Certificates) -> Channels:
        credentials = certificates.channel_credentials()
        opened.append(Channels(grpc.aio.secure_channel(target, credentials)))
        return opened[-1]

    renewed = RenewedChannels(files, open_one)
    first = renewed.now()
    for _ in range(3):
        new = new_certificate(files.ca_file.parent, "portal")
        replace_files(files, new)
        renewed.now()
        await asyncio.sleep(0)  # it begins to connect
    await until(lambda: renewed.now() is not first)
    assert renewed.now() is opened[-1]
    assert await serial_seen(renewed.now().main) == serial_of(new)
    await until(lambda: all(closed(each) for each in opened[:-1]))
    await renewed.close(None)
    assert closed(opened[-1])


def closed(channels: Channels) -> bool:
    """Whether nothing goes over them any more."""
    return channels.main.get_state() is grpc.ChannelConnectivity.SHUTDOWN


async def test_a_channel_goes_when_its_calls_have(
    files: CertFiles, serials: Serials, target: str
) -> None:
    """Each subscription is let end, however long it lasts; then nothing of it stays open."""

    def open_one(certificates: Certificates) -> Channels:
        return Channels(grpc.aio.secure_channel(target, certificates.channel_credentials()))

    renewed = RenewedChannels(files, open_one)
    before = renewed.now()
    stream: Any = before.main.unary_stream(STREAM, None, None)(b"")
    before.calls.add(stream)
    await stream.read()
    replace_files(files, new_certificate(files.ca_file.parent, "portal"))
    await until(lambda: renewed.now() is not before)
    await asyncio.sleep(0.2)
    assert not closed(before)
    serials.go_on.set()
    await stream.read()
    assert await stream.code() is grpc.StatusCode.OK
    await until(lambda: closed(before))
    await renewed.close(None)


async def test_closing_closes_those_before_too(
    files: CertFiles, serials: Serials, target: str
) -> None:
    """Nothing stays behind of a channel that is closed while calls go on over one before."""
    new = new_certificate(files.ca_file.parent, "portal")
    channel = open_channel(target, files, CONFIG)
    stream: Any = channel.unary_stream(STREAM, None, None)(b"")
    await stream.read()
    replace_files(files, new)
    await until_shown(channel, serial_of(new))
    await channel.close(None)
    assert await stream.code() is grpc.StatusCode.CANCELLED


def test_files_that_are_none_are_said(files: CertFiles) -> None:
    """A channel that could never connect is not opened."""
    files.key_file.write_bytes(b"no key")
    with pytest.raises(ConfigError, match="no private key"):
        open_channel("127.0.0.1:1", files)
