"""The probe service: what the tests of the server call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.certificates import channel_credentials
from support.clocks import FixedClock
from zikao.test.v1 import probe_pb2, probe_pb2_grpc
from zikao_kit.config import ServerConfig
from zikao_kit.context import current_actor, current_request_id
from zikao_kit.errors import DomainError
from zikao_kit.revoked_logins import RevokedLogins
from zikao_kit.server import GrpcServer, ServiceDefinition, definition
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenIssuer, TokenVerifier, TrustedKeys

SERVICE = "/zikao.test.v1.ProbeService/"
NOW = datetime(2022, 2, 28, 1, 0, tzinfo=UTC)
TOKEN_LIFETIME = timedelta(minutes=10)
# What gRPC's client says itself when its stream was ended while it sent: it has lost the status.
LOST_STATUS = grpc.StatusCode.INTERNAL, "Internal error from Core"
LOST_AT_MOST = 10


class ProbeRpc(probe_pb2_grpc.ProbeServiceServicer):
    """Answers with who the server took the caller for, or misbehaves as told."""

    def __init__(self) -> None:
        self.entered: list[str] = []
        self.collected = 0

    async def Open(self, request: probe_pb2.OpenRequest, context: object) -> probe_pb2.OpenResponse:
        """Do what `deed` says."""
        self.entered.append("Open")
        match request.deed:
            case "refuse":
                raise DomainError("PROBE_REFUSED", what="甲")
            case "refuse_what_it_holds":
                held = DomainError("PROBE_REFUSED", what="甲")
                raise held
            case "crash":
                raise RuntimeError("the password of 510101199003078515 is hunter2")
            case "unlisted":
                raise DomainError("NOT_IN_ANY_CONTRACT")
            case "malformed_answer":
                return probe_pb2.ForgottenResponse  # type: ignore[return-value]
            case "wait":
                await asyncio.sleep(request.seconds)
        actor = current_actor()
        return probe_pb2.OpenResponse(
            subject=actor.subject,
            role=actor.role,
            caller=actor.caller,
            request_id=current_request_id(),
        )

    async def Candidate(
        self, request: probe_pb2.CandidateRequest, context: object
    ) -> probe_pb2.CandidateResponse:
        """Answer a candidate."""
        actor = current_actor()
        return probe_pb2.CandidateResponse(
            subject=actor.subject, role=actor.role, caller=actor.caller
        )

    async def Officer(
        self, request: probe_pb2.OfficerRequest, context: object
    ) -> probe_pb2.OfficerResponse:
        """Answer an officer."""
        actor = current_actor()
        return probe_pb2.OfficerResponse(subject=actor.subject, scope=actor.scope)

    async def Service(
        self, request: probe_pb2.ServiceRequest, context: object
    ) -> probe_pb2.ServiceResponse:
        """Answer another service."""
        actor = current_actor()
        return probe_pb2.ServiceResponse(subject=actor.subject, role=actor.role)

    async def Forgotten(
        self, request: probe_pb2.ForgottenRequest, context: object
    ) -> probe_pb2.ForgottenResponse:
        """Never be reached."""
        self.entered.append("Forgotten")
        return probe_pb2.ForgottenResponse()

    async def Constrained(
        self, request: probe_pb2.ConstrainedRequest, context: object
    ) -> probe_pb2.ConstrainedResponse:
        """Be reached with valid requests only."""
        self.entered.append("Constrained")
        return probe_pb2.ConstrainedResponse()

    async def Subscribe(
        self, request: probe_pb2.SubscribeRequest, context: object
    ) -> AsyncIterator[probe_pb2.SubscribeResponse]:
        """Count for ever."""
        self.entered.append("Subscribe")
        number = 0
        try:
            while True:
                yield probe_pb2.SubscribeResponse(number=number)
                number += 1
                await asyncio.sleep(0.01)
        finally:
            self.entered.append("Subscribe ended")

    async def Pour(
        self, request: probe_pb2.PourRequest, context: object
    ) -> AsyncIterator[probe_pb2.PourResponse]:
        """Send large parts."""
        self.entered.append("Pour")
        try:
            for _ in range(request.parts):
                yield probe_pb2.PourResponse(part=bytes(request.part_kib * 1024))
        finally:
            self.entered.append("Pour ended")

    async def Exchange(
        self, request_iterator: AsyncIterator[probe_pb2.ExchangeRequest], context: object
    ) -> AsyncIterator[probe_pb2.ExchangeResponse]:
        """Send back what comes."""
        async for request in request_iterator:
            yield probe_pb2.ExchangeResponse(text=request.text)

    async def Collect(
        self, request_iterator: AsyncIterator[probe_pb2.CollectRequest], context: object
    ) -> probe_pb2.CollectResponse:
        """Count what comes."""
        self.collected = 0
        async for _ in request_iterator:
            self.collected += 1
        return probe_pb2.CollectResponse(count=self.collected)


def probe_definition(servicer: ProbeRpc) -> ServiceDefinition:
    """The probe as a server takes it."""
    return definition(probe_pb2_grpc, probe_pb2, "ProbeService", servicer)


@dataclass
class Probe:
    """A running server with the probe, and all it takes to call it rightly or wrongly."""

    server: GrpcServer
    servicer: ProbeRpc
    ca: DevelopmentCa
    clock: FixedClock
    issuer: TokenIssuer
    revoked: RevokedLogins

    @asynccontextmanager
    async def channel(self, name: str = "portal") -> AsyncIterator[Any]:
        """Connect with the certificate of `name`."""
        async with self.channel_with(channel_credentials(self.ca.issue(name))) as channel:
            yield channel

    @asynccontextmanager
    async def channel_with(self, credentials: grpc.ChannelCredentials) -> AsyncIterator[Any]:
        """Connect with any credentials."""
        target = f"127.0.0.1:{self.server.port}"
        async with grpc.aio.secure_channel(target, credentials) as channel:
            yield channel

    @asynccontextmanager
    async def stub(self, name: str = "portal") -> AsyncIterator[Any]:
        """Connect with the certificate of `name` and call the probe."""
        async with self.channel(name) as channel:
            yield probe_pb2_grpc.ProbeServiceStub(channel)

    def bearer(
        self, role: str, scope: str = "", *, restricted: bool = False, login_id: str = ""
    ) -> Sequence[tuple[str, str]]:
        """Metadata with a valid token."""
        token = self.issuer.issue(
            f"some-{role}", role, scope, restricted=restricted, login_id=login_id
        )
        return (("authorization", f"Bearer {token.token}"),)


@asynccontextmanager
async def running_probe(directory: Path, **settings: Any) -> AsyncIterator[Probe]:
    """Run a server with the probe on a free port; `settings` change its ServerConfig."""
    probe = make_probe(directory, **settings)
    await probe.server.answer_probes()
    await probe.server.start()
    probe.server.publish([probe_definition(probe.servicer)])
    await probe.server.set_serving(True)
    try:
        yield probe
    finally:
        await probe.server.stop()


def make_probe(directory: Path, **settings: Any) -> Probe:
    """Make a server with the probe that does not listen yet."""
    ca = DevelopmentCa(directory)
    key = Ed25519PrivateKey.generate()
    clock = FixedClock(NOW)
    revoked = RevokedLogins(clock)
    keys = TrustedKeys({"k1": key.public_key()})
    server = GrpcServer(
        config=probe_config(ca, **settings),
        domain="probe",
        error_enum=probe_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(keys.get, clock, revoked),
    )
    issuer = TokenIssuer("k1", key, clock, TOKEN_LIFETIME)
    return Probe(server, ProbeRpc(), ca, clock, issuer, revoked)


def probe_config(ca: DevelopmentCa, **settings: Any) -> ServerConfig:
    """A server's configuration for tests: a free port, short waits."""
    files = ca.issue("probe")
    config = ServerConfig(
        listen="127.0.0.1:0",
        tls=files,
        drain_wait_seconds=0.0,
        drain_grace_seconds=2.0,
    )
    return replace(config, **settings)


async def health_of(probe: Probe) -> int:
    """Ask the server's health."""
    async with probe.channel() as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
    return int(answer.status)


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """Await a call that must fail, and return how."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


async def stream_refusal(begin: Callable[[], Any]) -> grpc.aio.AioRpcError:
    """How a stream ends that must be refused while it may still be sending its parts.

    gRPC's client loses that now and then; as docs/errors.md asks for, it is begun again then.
    """
    for _ in range(LOST_AT_MOST):
        error = await refusal(begin().read())
        if (error.code(), error.details()) != LOST_STATUS:
            return error
    return error


async def refused(
    probe: Probe, method: str, request: Any, *, caller: str = "portal", **options: Any
) -> grpc.aio.AioRpcError:
    """Call a method that must refuse, with the certificate of `caller`."""
    async with probe.stub(caller) as stub:
        return await refusal(getattr(stub, method)(request, **{"timeout": 5} | options))
