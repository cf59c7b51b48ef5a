"""Channels to other services: mutual TLS, deadlines on every call, retries where they are safe.

When the certificate files are replaced, calls from then on go out with the new certificate.
A channel sets what a caller left out: a deadline, which it also tells the server as it was meant at
first, and the request id and the trace of the call in progress, so that one id is found in the logs
of every service it went through.
It wraps the calls rather than intercept them: gRPC wants an interceptor class for
each of the four kinds of call, and puts a task and a call object of its own
between the caller and each call.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from zikao_kit import tracing
from zikao_kit.certificates import Certificates
from zikao_kit.channel_renewal import Channels, RenewedChannels
from zikao_kit.config import MAX_MESSAGE_BYTES, CertFiles, PeerConfig
from zikao_kit.context import REQUEST_ID_KEY, TIMEOUT_KEY, current_request_id
from zikao_kit.error_table import problem_of
from zikao_kit.metrics import CALLED, MethodMetrics
from zikao_kit.policy import policies_of
from zikao_kit.tracing import Span

DEFAULT_TIMEOUT_SECONDS = 5.0

# A dead peer (no FIN: power, network) is noticed after their sum. Servers must
# admit pings this often (zikao_kit.server does). A starved but living peer must
# answer within the timeout, or all its calls in progress are lost.
KEEPALIVE_SECONDS = 20.0
KEEPALIVE_TIMEOUT_SECONDS = 10.0

# gRPC's own defaults (1 s growing to 2 min, names looked up every 30 s) would
# leave a restarted service alone long after it is back.
RECONNECT_FIRST_SECONDS = 0.1
RECONNECT_MAX_SECONDS = 1.0
CONNECT_TIMEOUT_SECONDS = 5.0
LOOKUP_INTERVAL_SECONDS = 1.0

# Waits of about 0.1, 0.3, 0.9 and 2 s between five attempts (gRPC's maximum): a
# restart is survived, by some hundred calls at once. When half the tokens are lost
# (one a failed attempt, a tenth regained a success) there are no retries: they would
# keep a sick service down. CANCELLED is what gRPC's servers answer calls that reach them
# while they end, begun or not, and the excess of a crowd that waits for a listener; what a
# caller cancels itself is not tried again.
RETRY_POLICY = {
    "maxAttempts": 5,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 3,
    "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
}
RETRY_THROTTLING = {"maxTokens": 1000, "tokenRatio": 0.1}

T = TypeVar("T")
_READ_PREFIXES = ("Get", "List", "BatchGet")
_TARGET_SCHEMES = ("dns:", "ipv4:", "ipv6:", "unix:")


@dataclass(frozen=True)
class ServiceConfig:
    """How the methods of a channel are called; methods are full names, `/package.Service/Method`.

    `idempotent` methods are tried again on UNAVAILABLE and CANCELLED. All get a deadline of
    `default_timeout_seconds` when the caller gives none, except the `long_lived`.
    """

    idempotent: frozenset[str] = frozenset()
    long_lived: frozenset[str] = frozenset()
    default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS

    @classmethod
    def from_contract(
        cls, *services: ServiceDescriptor, default_timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    ) -> ServiceConfig:
        """Read from the contracts which methods may be retried, and which have no end."""
        methods = [method for service in services for method in service.methods]
        policies = policies_of(*services)
        return cls(
            idempotent=frozenset(_full_name(m) for m in methods if _may_be_repeated(m)),
            long_lived=frozenset(name for name, policy in policies.items() if policy.long_lived),
            default_timeout_seconds=default_timeout_seconds,
        )

    def to_json(self) -> str:
        """Return gRPC's service config: round robin, and retries with throttling."""
        config: dict[str, Any] = {"loadBalancingConfig": [{"round_robin": {}}]}
        if self.idempotent:
            names = [_method_name(full_name) for full_name in sorted(self.idempotent)]
            config["methodConfig"] = [{"name": names, "retryPolicy": RETRY_POLICY}]
            config["retryThrottling"] = RETRY_THROTTLING
        return json.dumps(config)


def open_channel(
    target: str,
    files: CertFiles,
    config: ServiceConfig | None = None,
    *,
    server_name: str | None = None,
    keepalive_seconds: float = KEEPALIVE_SECONDS,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
    interceptors: Sequence[Any] = (),
    subscriptions_apart: bool = False,
) -> grpc.aio.Channel:
    """Open a channel to `target` as `files.cert_file`; it connects at the first call.

    `target` is `host:port` (all addresses of the name are used in turn) or a gRPC
    target with its scheme. The server must have a certificate for `server_name`
    (such as "enrollment"; by default for the first host in `target`, which says nothing of
    its part when all are on one machine). `subscriptions_apart`: they have connections of their
    own, for one that is full of them carries no call. Raises ConfigError for files that are no
    certificate with its key. Use the channel in the event loop that opened
    it, and close it.
    """
    config = config or ServiceConfig()
    uri = target if target.startswith(_TARGET_SCHEMES) else f"dns:///{target}"
    options = _options(config, keepalive_seconds, max_message_bytes)
    if server_name is None and "," in uri:  # else gRPC would take the whole list for a name
        server_name = uri.partition(":")[2].partition(",")[0]
    if server_name is not None:
        options.append(("grpc.default_authority", server_name))

    def opened(certificates: Certificates) -> Channels:
        credentials = certificates.channel_credentials()

        def one(*more: tuple[str, Any]) -> grpc.aio.Channel:
            return grpc.aio.secure_channel(
                uri, credentials, [*options, *more], interceptors=tuple(interceptors)
            )

        # Channels to the same place would share their connections else.
        apart = one(("grpc.use_local_subchannel_pool", 1)) if subscriptions_apart else None
        return Channels(one(), apart)

    return _DefaultingChannel(RenewedChannels(files, opened), config)


def open_peer(peer: PeerConfig, tls: CertFiles, *services: ServiceDescriptor) -> grpc.aio.Channel:
    """Open a channel to another service of the installation, to call the given contracts."""
    config = ServiceConfig.from_contract(*services)
    return open_channel(peer.target, tls, config, server_name=peer.server_name)


async def answered(call: Awaitable[T]) -> T:
    """Await a call to another service: `await answered(stub.GetCandidate(request))`.

    Raises DomainError: the other side's reason, UNAVAILABLE when it does not answer.
    """
    try:
        return await call
    except grpc.aio.AioRpcError as error:
        raise problem_of(error) from error


class _DefaultingChannel(grpc.aio.Channel):
    """A channel whose calls carry a deadline and the current request id."""

    def __init__(self, renewed: RenewedChannels, config: ServiceConfig) -> None:
        self._renewed = renewed
        self._config = config

    def _of(self, channels: Channels, method: str) -> grpc.aio.Channel:
        if channels.apart is not None and method in self._config.long_lived:
            return channels.apart
        return channels.main

    def _defaulting(
        self, method: str, grpc_type: str, kind: str, *serializers: Any, **options: Any
    ) -> Any:
        made_of: Channels | None = None
        call: Callable[..., Any]
        long_lived = method in self._config.long_lived
        default = None if long_lived else self._config.default_timeout_seconds
        metrics = CALLED.of(method, grpc_type)

        def start(
            *request: Any, timeout: float | None = None, metadata: Any = None, **others: Any
        ) -> Any:
            nonlocal made_of, call
            channels = self._renewed.now()
            if channels is not made_of:
                made_of = channels
                call = getattr(self._of(channels, method), kind)(method, *serializers, **options)
            timeout = default if timeout is None else timeout
            span = None if long_lived else tracing.begin_call(method)
            metadata = _completed(metadata, timeout, span)
            started = call(*request, timeout=timeout, metadata=metadata, **others)
            channels.calls.add(started)
            _count(started, metrics, span)
            return started

        return start

    def unary_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        return self._defaulting(method, "unary", "unary_unary", *serializers, **options)

    def unary_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        return self._defaulting(method, "server_stream", "unary_stream", *serializers, **options)

    def stream_unary(self, method: str, *serializers: Any, **options: Any) -> Any:
        return self._defaulting(method, "client_stream", "stream_unary", *serializers, **options)

    def stream_stream(self, method: str, *serializers: Any, **options: Any) -> Any:
        return self._defaulting(method, "bidi_stream", "stream_stream", *serializers, **options)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._renewed.now().main.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._renewed.now().main.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._renewed.now().main.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        await self._renewed.close(grace)

    async def __aenter__(self) -> grpc.aio.Channel:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()


def _count(call: Any, metrics: MethodMetrics, span: Span | None) -> None:
    """Count a call that has just begun, and how it ends."""
    begun = time.perf_counter()
    metrics.begin()

    def end(ended: Any) -> None:
        code = code_of_ended(ended)
        metrics.end(code, time.perf_counter() - begun)
        if span is not None:
            error = None if code is grpc.StatusCode.OK else code.name
            span.end(error, tracing.ended_attributes(code))

    call.add_done_callback(end)


def code_of_ended(call: Any) -> grpc.StatusCode:
    """How a call that is done has ended; gRPC says so in a coroutine that need not wait."""
    asking = call.code()
    try:
        asking.send(None)
    except StopIteration as answer:
        code: grpc.StatusCode = answer.value
        return code
    except asyncio.CancelledError:
        return grpc.StatusCode.CANCELLED
    except Exception:  # an interceptor's own
        return grpc.StatusCode.UNKNOWN
    asking.close()
    return grpc.StatusCode.UNKNOWN


def _completed(metadata: Any, timeout: float | None, span: Span | None) -> Any:
    """With how long the caller waits, and the request id and trace of the call in progress."""
    ours = []
    if timeout is not None:
        ours.append((TIMEOUT_KEY, str(round(timeout * 1000))))
    request_id = current_request_id()
    if request_id and not any(key == REQUEST_ID_KEY for key, _ in metadata or ()):
        ours.append((REQUEST_ID_KEY, request_id))
    place = span.traceparent if span is not None else tracing.current_traceparent()
    if place and not any(key == tracing.TRACEPARENT_KEY for key, _ in metadata or ()):
        ours.append((tracing.TRACEPARENT_KEY, place))
    return (*(metadata or ()), *ours)


def _options(
    config: ServiceConfig, keepalive_seconds: float, max_message_bytes: int
) -> list[tuple[str, Any]]:
    def milliseconds(seconds: float) -> int:
        return round(seconds * 1000)

    return [
        ("grpc.service_config", config.to_json()),
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
        ("grpc.keepalive_time_ms", milliseconds(keepalive_seconds)),
        ("grpc.keepalive_timeout_ms", milliseconds(KEEPALIVE_TIMEOUT_SECONDS)),
        # gRPC also pings to measure bandwidth, and sends no second ping meanwhile: with
        # its default a peer that dies then is noticed after a minute.
        ("grpc.http2.ping_timeout_ms", milliseconds(KEEPALIVE_TIMEOUT_SECONDS)),
        ("grpc.keepalive_permit_without_calls", 1),
        # A feed's consumer only listens: its pings are no less needed for that.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", milliseconds(RECONNECT_FIRST_SECONDS)),
        ("grpc.max_reconnect_backoff_ms", milliseconds(RECONNECT_MAX_SECONDS)),
        # Despite its name, how long one attempt to connect may take.
        ("grpc.min_reconnect_backoff_ms", milliseconds(CONNECT_TIMEOUT_SECONDS)),
        ("grpc.dns_min_time_between_resolutions_ms", milliseconds(LOOKUP_INTERVAL_SECONDS)),
    ]


def _may_be_repeated(method: MethodDescriptor) -> bool:
    """Say whether a second call does no harm: it reads, or its request id marks it as the same.

    Where something else does, as the payment platform's own ids, or that a candidate has one place
    in a waiting room, contracts say so by `idempotency_level`.
    LogIn, for one, does none of it: each attempt counts against a limit.
    """
    is_read = method.name.startswith(_READ_PREFIXES)
    is_marked = "request_id" in method.input_type.fields_by_name
    level = method.GetOptions().idempotency_level
    return is_read or is_marked or level != MethodOptions.IDEMPOTENCY_UNKNOWN


def _full_name(method: MethodDescriptor) -> str:
    return f"/{method.containing_service.full_name}/{method.name}"


def _method_name(full_name: str) -> dict[str, str]:
    service, _, method = full_name.removeprefix("/").partition("/")
    return {"service": service, "method": method}
