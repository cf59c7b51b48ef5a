"""How the parts of the sandbox's payment platform fit together.

Its name in certificates is payment-platform.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from zikao.options.v1 import errors_pb2
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.payment.v1 import payment_platform_service_pb2_grpc as payment_grpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_grpc
from zikao_kit.background import repeat, running
from zikao_kit.channel import open_peer
from zikao_kit.china_time import CHINA
from zikao_kit.clock import clock_of
from zikao_kit.config import ClockConfig, LogConfig, PeerConfig, ServerConfig
from zikao_kit.server import ServiceDefinition, definition, serve
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_sandbox.moods import Moods
from zikao_sandbox.notifier import POLL_SECONDS, Notifier
from zikao_sandbox.payment_store import PaymentStore
from zikao_sandbox.platform import PaymentPlatform
from zikao_sandbox.rpc import PaymentPlatformRpc, SandboxRpc
from zikao_sandbox.statement import Statements


@dataclass(frozen=True)
class SandboxConfig:
    """Where it listens, what it keeps, and whom it tells of payments."""

    server: ServerConfig
    database_file: Path
    enrollment: PeerConfig
    log: LogConfig = field(default_factory=LogConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)


async def serve_sandbox(config: SandboxConfig) -> None:
    """Serve until cancelled."""
    clock = clock_of(config.clock)
    notifications = payment.DESCRIPTOR.services_by_name["PaymentNotificationService"]

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        with closing(PaymentStore(config.database_file)) as store:
            async with open_peer(config.enrollment, config.server.tls, notifications) as channel:
                notifier = Notifier(store, channel)
                async with running(repeat("notifications", notifier.work, POLL_SECONDS)):
                    platform = PaymentPlatform(store, clock, random.random)
                    moods = Moods(store, random.random)
                    yield _services(platform, Statements(config.database_file, clock, CHINA), moods)

    await serve(
        open_services,
        config=config.server,
        domain="payment",
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        # Candidates and officers have no business here: no token is known.
        verifier=TokenVerifier(TrustedKeys().get, clock),
        contracts=[
            payment.DESCRIPTOR.services_by_name["PaymentPlatformService"],
            sandbox.DESCRIPTOR.services_by_name["SandboxService"],
        ],
    )


def _services(
    platform: PaymentPlatform, statements: Statements, moods: Moods
) -> list[ServiceDefinition]:
    """What the platform answers."""
    rpc, strings = PaymentPlatformRpc(platform, statements, moods), SandboxRpc(platform)
    return [
        definition(payment_grpc, payment, "PaymentPlatformService", rpc),
        definition(sandbox_grpc, sandbox, "SandboxService", strings),
    ]
