"""The sandbox's payment platform as a process (its name in certificates: payment-platform)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from zikao.options.v1 import errors_pb2
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2_grpc as rpc
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox_pb
from zikao.sandbox.v1 import sandbox_service_pb2_grpc as sandbox_rpc
from zikao_kit.clock import Clock, OffsetClock, SystemClock
from zikao_kit.config import ClockConfig, LogConfig, ServerConfig
from zikao_kit.server import ServiceDefinition, serve
from zikao_kit.tls import CertFiles, channel_credentials
from zikao_kit.tokens import TokenVerifier

from zikao_sandbox.notifier import Notifier
from zikao_sandbox.payment_store import PaymentStore
from zikao_sandbox.platform import PaymentPlatform
from zikao_sandbox.rpc import PaymentPlatformRpc, SandboxRpc

# A restarted enrollment hears again within a second.
_CHANNEL_OPTIONS = (
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


@dataclass(frozen=True)
class SandboxConfig:
    """Where it listens, what it keeps, and whom it tells of payments (`host:port`)."""

    server: ServerConfig
    database_file: Path
    enrollment_target: str
    log: LogConfig = field(default_factory=LogConfig)
    clock: ClockConfig = field(default_factory=ClockConfig)


async def main(config: SandboxConfig) -> None:
    """Serve until cancelled."""
    offset_file = config.clock.offset_file
    clock: Clock = OffsetClock(offset_file) if offset_file else SystemClock()

    @asynccontextmanager
    async def open_services() -> AsyncIterator[Sequence[ServiceDefinition]]:
        store = PaymentStore(config.database_file)
        try:
            async with _notifying(config, store):
                yield _definitions(PaymentPlatform(store, clock, random.random))
        finally:
            store.close()

    await serve(
        open_services,
        config=config.server,
        domain="payment",
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        # Candidates and officers have no business here: no token is known.
        verifier=TokenVerifier(lambda _: None, clock),
    )


@asynccontextmanager
async def _notifying(config: SandboxConfig, store: PaymentStore) -> AsyncIterator[None]:
    tls = config.server.tls
    credentials = channel_credentials(CertFiles(tls.cert_file, tls.key_file, tls.ca_file))
    target = f"dns:///{config.enrollment_target}"
    # A task group: a notifier that fails ends the process, whoever started it starts it again.
    async with (
        grpc.aio.secure_channel(target, credentials, _CHANNEL_OPTIONS) as channel,
        asyncio.TaskGroup() as group,
    ):
        task = group.create_task(Notifier(store, channel).run())
        try:
            yield
        finally:
            task.cancel()


def _definitions(platform: PaymentPlatform) -> list[ServiceDefinition]:
    return [
        ServiceDefinition(
            rpc.add_PaymentPlatformServiceServicer_to_server,
            PaymentPlatformRpc(platform),
            pb.DESCRIPTOR.services_by_name["PaymentPlatformService"],
        ),
        ServiceDefinition(
            sandbox_rpc.add_SandboxServiceServicer_to_server,
            SandboxRpc(platform),
            sandbox_pb.DESCRIPTOR.services_by_name["SandboxService"],
        ),
    ]
