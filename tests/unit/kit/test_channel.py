"""Channels between services, against real servers with mutual TLS on 127.0.0.1."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import REGISTRY
from support.broken_peers import hanging_up, proxy_to
from support.certificates import server_credentials
from support.service import until
from zikao.payment.v1 import payment_platform_service_pb2
from zikao.registration.v1 import account_service_pb2, candidate_feed_service_pb2
from zikao_kit.channel import (
    RECONNECT_FIRST_SECONDS,
    RETRY_POLICY,
    RETRY_THROTTLING,
    ServiceConfig,
    answered,
    open_channel,
)
from zikao_kit.config import CertFiles
from zikao_kit.context import acting_as
from zikao_kit.errors import DomainError
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import Actor

SERVICE = "zikao.test.Echo"
ONE, DOWN, UP, BOTH = (f"/{SERVICE}/{name}" for name in ("One", "Down", "Up", "Both"))
KINDS = {ONE: "unary_unary", DOWN: "unary_stream", UP: "stream_unary", BOTH: "stream_stream"}
IDEMPOTENT = ServiceConfig(idempotent=frozenset({ONE}))
SERVICE_ACTOR = Actor("tickets", "service", caller="tickets")

Context = grpc.aio.ServicerContext[bytes, bytes]


class Echo:
    """A server that tells what it received, and fails when it is told to."""

    def __init__(self, files: CertFiles) -> None:
        self._files = files
        self._server: grpc.aio.Server | None = None
        self.port = 0
        self.attempts = 0
        self.failures: list[grpc.StatusCode] = []
        self.always_fail = False
        self.pause_seconds = 0.0

    async def answer(self, _: Any, context: Context) -> bytes:
        """Answer with the call's time left and request ids, as JSON."""
        self.attempts += 1
        if self.always_fail:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "asked to")
        if self.failures:
            await context.abort(self.failures.pop(0), "asked to")
        await asyncio.sleep(self.pause_seconds)
        metadata = context.invocation_metadata() or ()
        seen = {
            "time_remaining": context.time_remaining(),
            "request_ids": [value for key, value in metadata if key == "x-request-id"],
            "stated_ms": [value for key, value in metadata if key == "zikao-timeout-ms"],
        }
        return json.dumps(seen).encode()

    async def answer_stream(self, request: Any, context: Context) -> AsyncIterator[bytes]:
        """Answer once, as a stream."""
        yield await self.answer(request, context)

    async def start(self) -> None:
        """Listen; a second start listens on the same port."""
        handlers = {
            "One": grpc.unary_unary_rpc_method_handler(self.answer),
            "Down": grpc.unary_stream_rpc_method_handler(self.answer_stream),
            "Up": grpc.stream_unary_rpc_method_handler(self.answer),
            "Both": grpc.stream_stream_rpc_method_handler(self.answer_stream),
        }
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(SERVICE, handlers),)
        )
        address = f"127.0.0.1:{self.port}"
        self.port = self._server.add_secure_port(address, server_credentials(self._files))
        await self._server.start()

    async def stop(self) -> None:
        """Stop at once."""
        if self._server is not None:
            await self._server.stop(None)


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> DevelopmentCa:
    """One authority for all tests here."""
    return DevelopmentCa(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def client_files(ca: DevelopmentCa) -> CertFiles:
    """The certificate of the calling service."""
    return ca.issue("tickets")


@asynccontextmanager
async def running(ca: DevelopmentCa) -> AsyncIterator[Echo]:
    """A started server, stopped at the end."""
    server = Echo(ca.issue("enrollment"))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def echo(ca: DevelopmentCa) -> AsyncIterator[Echo]:
    """One server."""
    async with running(ca) as server:
        yield server


@pytest.fixture
async def channel_to(client_files: CertFiles) -> AsyncIterator[Callable[..., grpc.aio.Channel]]:
    """Opens channels to a server or a target, closed at the end."""
    async with AsyncExitStack() as stack:

        def connect(peer: Echo | str, *args: Any, **options: Any) -> grpc.aio.Channel:
            target = peer if isinstance(peer, str) else f"127.0.0.1:{peer.port}"
            channel = open_channel(target, client_files, *args, **options)
            stack.push_async_callback(channel.close, None)
            return channel

        yield connect


async def call(channel: grpc.aio.Channel, method: str = ONE, **options: Any) -> dict[str, Any]:
    """Call `method`, of whatever kind, and return what the server saw."""
    start = getattr(channel, KINDS[method])(method)
    started = start(b"" if method in (ONE, DOWN) else iter([b""]), **options)
    if method in (ONE, UP):
        seen = await started
    else:
        (seen,) = [message async for message in started]
    result: dict[str, Any] = json.loads(seen)
    return result


async def failure_of(channel: grpc.aio.Channel, **options: Any) -> grpc.StatusCode:
    """The status a call fails with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(channel, **options)
    return caught.value.code()


def test_service_config_retries_only_what_is_idempotent() -> None:
    """The JSON names the idempotent methods, and without any there is no retry at all."""
    config = json.loads(ServiceConfig(frozenset({"/a.v1.B/Get", "/a.v1.B/Put"})).to_json())
    assert config == {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [
            {
                "name": [
                    {"service": "a.v1.B", "method": "Get"},
                    {"service": "a.v1.B", "method": "Put"},
                ],
                "retryPolicy": RETRY_POLICY,
            }
        ],
        "retryThrottling": RETRY_THROTTLING,
    }
    assert RETRY_POLICY["retryableStatusCodes"] == ["UNAVAILABLE", "CANCELLED"]
    assert json.loads(ServiceConfig().to_json()).keys() == {"loadBalancingConfig"}


def test_the_contract_says_what_may_be_repeated() -> None:
    """Reads and calls with a request id may be; a login may not; a feed has no end."""
    accounts = account_service_pb2.DESCRIPTOR.services_by_name["AccountService"]
    feed = candidate_feed_service_pb2.DESCRIPTOR.services_by_name["CandidateFeedService"]
    config = ServiceConfig.from_contract(accounts, feed)
    prefix = "/zikao.registration.v1."
    assert {
        f"{prefix}AccountService/ListSigningKeys",
        f"{prefix}AccountService/CreateAccount",
        f"{prefix}CandidateFeedService/GetCandidate",
    } <= config.idempotent
    assert f"{prefix}AccountService/LogIn" not in config.idempotent
    assert config.long_lived == {f"{prefix}CandidateFeedService/WatchCandidates"}


def test_a_contract_with_ids_of_its_own_says_what_may_be_repeated() -> None:
    """Every call to the payment platform may be: a moment's absence is no answer to a candidate."""
    platform = payment_platform_service_pb2.DESCRIPTOR.services_by_name["PaymentPlatformService"]
    names = {f"/{platform.full_name}/{method.name}" for method in platform.methods}
    assert ServiceConfig.from_contract(platform).idempotent == names


@pytest.mark.parametrize("method", KINDS)
async def test_every_kind_of_call_gets_the_default_deadline(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel], method: str
) -> None:
    """Without a timeout the default applies; the caller's own is kept, shorter or longer.

    The server is told which it was.
    """
    channel = channel_to(echo, ServiceConfig(default_timeout_seconds=7))
    assert 5 < (await call(channel, method))["time_remaining"] < 7.1
    assert 0 < (await call(channel, method, timeout=2))["time_remaining"] < 2.1
    assert 50 < (await call(channel, method, timeout=60))["time_remaining"] < 60.1
    assert (await call(channel, method))["stated_ms"] == ["7000"]
    assert (await call(channel, method, timeout=2.5))["stated_ms"] == ["2500"]


async def test_long_lived_methods_get_no_deadline(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """A feed is not cut off by the default; a timeout the caller states still applies."""
    channel = channel_to(echo, ServiceConfig(long_lived=frozenset({DOWN})))
    endless = (await call(channel, DOWN))["time_remaining"]
    assert endless is None or endless > 365 * 86_400
    assert (await call(channel, DOWN))["stated_ms"] == []
    assert (await call(channel, DOWN, timeout=2))["time_remaining"] < 2.1


@pytest.mark.parametrize("method", KINDS)
async def test_the_request_id_goes_on(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel], method: str
) -> None:
    """The id of the call in progress is sent once, a stated one wins, outside there is none."""
    channel = channel_to(echo)
    assert (await call(channel, method))["request_ids"] == []
    with acting_as(SERVICE_ACTOR, "r-1"):
        assert (await call(channel, method))["request_ids"] == ["r-1"]
        added = await call(channel, method, metadata=(("authorization", "Bearer x"),))
        assert added["request_ids"] == ["r-1"]
        stated = grpc.aio.Metadata(("x-request-id", "r-2"))
        assert (await call(channel, method, metadata=stated))["request_ids"] == ["r-2"]


async def test_idempotent_calls_are_tried_again(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """Two answers UNAVAILABLE are outlived by an idempotent call, and by no other."""
    echo.failures = [grpc.StatusCode.UNAVAILABLE] * 2
    await call(channel_to(echo, IDEMPOTENT))
    assert echo.attempts == 3
    echo.failures = [grpc.StatusCode.UNAVAILABLE]
    assert await failure_of(channel_to(echo)) == grpc.StatusCode.UNAVAILABLE
    assert echo.attempts == 4


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL", "DEADLINE_EXCEEDED", "ABORTED"])
async def test_only_unavailable_is_tried_again(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel], code: str
) -> None:
    """Shedding, failures and late answers go to the caller at the first attempt."""
    echo.failures = [grpc.StatusCode[code]]
    assert await failure_of(channel_to(echo, IDEMPOTENT)) == grpc.StatusCode[code]
    assert echo.attempts == 1


async def test_retries_stop_when_a_service_stays_sick(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """After some hundred failures every call is tried once: retries do not add to the load."""
    echo.always_fail = True
    channel = channel_to(echo, IDEMPOTENT)
    await asyncio.gather(*(failure_of(channel) for _ in range(200)))
    assert 400 < echo.attempts < 800
    before = echo.attempts
    await asyncio.gather(*(failure_of(channel) for _ in range(200)))
    assert echo.attempts - before == 200


async def test_waits_between_connections_grow_no_further_than_the_maximum(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a service was away, it is tried as often: growing on, 20 took half an hour."""
    monkeypatch.setattr("zikao_kit.channel.RECONNECT_MAX_SECONDS", RECONNECT_FIRST_SECONDS)
    channel = channel_to(echo)
    await call(channel)
    await echo.stop()
    async with hanging_up(echo.port) as attempts:
        assert await failure_of(channel) == grpc.StatusCode.UNAVAILABLE
        await until(lambda: len(attempts) >= 20)
    await echo.start()
    await call(channel, wait_for_ready=True)


async def test_a_call_outlives_a_short_restart(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """An idempotent call made while the service is down for half a second succeeds."""
    channel = channel_to(echo, IDEMPOTENT)
    await call(channel)
    await echo.stop()
    calls = asyncio.gather(*(call(channel) for _ in range(20)))
    await asyncio.sleep(0.5)
    await echo.start()
    await calls


async def test_a_server_of_another_name_is_refused(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """Who asks for registration does not speak to enrollment, though it is on the same host."""
    await call(channel_to(echo, server_name="enrollment"))
    status = await failure_of(channel_to(echo, server_name="registration"))
    assert status == grpc.StatusCode.UNAVAILABLE


async def test_calls_go_round_all_servers(
    ca: DevelopmentCa, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """Two servers get the same number of calls over one channel, and one takes over from both."""
    async with running(ca) as first, running(ca) as second:
        target = f"ipv4:127.0.0.1:{first.port},127.0.0.1:{second.port}"
        channel = channel_to(target, IDEMPOTENT, server_name="enrollment")
        while not (first.attempts and second.attempts):
            await call(channel)
        before = Counter(first=first.attempts, second=second.attempts)
        for _ in range(20):
            await call(channel)
        assert (first.attempts - before["first"], second.attempts - before["second"]) == (10, 10)
        await first.stop()
        for _ in range(5):
            await call(channel)


@pytest.mark.parametrize("method", [ONE, DOWN])
async def test_a_silent_peer_is_noticed(
    echo: Echo,
    channel_to: Callable[..., grpc.aio.Channel],
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    """When packets are lost without a word, keepalive ends a call, and a feed that only listens."""
    monkeypatch.setattr("zikao_kit.channel.KEEPALIVE_TIMEOUT_SECONDS", 1.0)
    async with proxy_to(echo.port) as proxy:
        channel = channel_to(f"127.0.0.1:{proxy.port}", keepalive_seconds=1)
        await call(channel)
        echo.pause_seconds = 60
        calling = asyncio.create_task(failure_of(channel, method=method, timeout=30))
        await asyncio.sleep(0.2)
        proxy.silent = True
        assert await asyncio.wait_for(calling, 10) == grpc.StatusCode.UNAVAILABLE


async def test_generated_stubs_take_the_channel(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """A generated stub calls through it; this server has no health service and says so."""
    stub = health_pb2_grpc.HealthStub(channel_to(echo))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest())
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


async def test_answers_of_others_are_errors_of_ours(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel]
) -> None:
    """Who calls another service gets its answer, or an error to decide on or to pass on."""
    one = channel_to(echo).unary_unary(ONE, None, None)
    assert await answered(one(b""))
    echo.failures = [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE]
    for reason in ("INTERNAL", "UNAVAILABLE"):
        with pytest.raises(DomainError, match=reason):
            await answered(one(b""))


@pytest.mark.parametrize("method", KINDS)
async def test_calls_are_counted_by_how_they_end(
    echo: Echo, channel_to: Callable[..., grpc.aio.Channel], method: str
) -> None:
    """Calls of every kind: answered, refused, and given up by their caller; each once."""
    kind = {ONE: "unary", DOWN: "server_stream", UP: "client_stream", BOTH: "bidi_stream"}[method]
    labels = {"grpc_type": kind, "grpc_service": SERVICE, "grpc_method": method.split("/")[2]}

    def ended() -> list[float]:
        name, codes = "grpc_client_handled_total", ("OK", "NOT_FOUND", "CANCELLED")
        return [REGISTRY.get_sample_value(name, labels | {"grpc_code": c}) or 0 for c in codes]

    before = ended()
    channel = channel_to(echo)
    await call(channel, method)
    echo.failures = [grpc.StatusCode.NOT_FOUND]
    with pytest.raises(grpc.aio.AioRpcError):
        await call(channel, method)
    echo.pause_seconds = 30.0
    given_up = getattr(channel, KINDS[method])(method)(b"" if method in (ONE, DOWN) else iter([]))
    await asyncio.sleep(0.01)
    given_up.cancel()
    # Each is counted when its end is heard of, which may be after its answer was.
    await until(lambda: asyncio.sleep(0, sum(ended()) >= sum(before) + 3))
    assert [now - then for now, then in zip(ended(), before, strict=True)] == [1, 1, 1]
    seconds = REGISTRY.get_sample_value("grpc_client_handling_seconds_count", labels)
    assert seconds == REGISTRY.get_sample_value("grpc_client_started_total", labels)
