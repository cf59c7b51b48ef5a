"""How the parts of the tickets service fit together."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from zikao.enrollment.v1 import enrollment_feed_service_pb2
from zikao.registration.v1 import account_service_pb2, candidate_feed_service_pb2
from zikao.tickets.v1 import (
    arrangement_service_pb2,
    arrangement_service_pb2_grpc,
    errors_pb2,
    session_service_pb2,
    session_service_pb2_grpc,
    ticket_service_pb2,
    ticket_service_pb2_grpc,
)
from zikao_kit.channel import ServiceConfig, open_channel
from zikao_kit.clock import OffsetClock, SystemClock
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database
from zikao_kit.logs import configure_logging
from zikao_kit.migrate import wait_until_migrated
from zikao_kit.queries import Queries
from zikao_kit.server import ServiceDefinition, serve
from zikao_kit.tls import CertFiles
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.config import TicketsConfig
from zikao_tickets.parts import Parts
from zikao_tickets.rendering import RenderPool
from zikao_tickets.rpc import ArrangementRpc, SessionRpc, TicketRpc, VerificationRpc
from zikao_tickets.signing import open_signer
from zikao_tickets.ticket_store import TicketStore
from zikao_tickets.workers.arranging import ArrangementWorker
from zikao_tickets.workers.feeds import CandidateFeed, EnrollmentFeed
from zikao_tickets.workers.photos import PhotoWorker
from zikao_tickets.workers.rounds import repeat
from zikao_tickets.workers.token_keys import TokenKeyWorker

PACKAGE = "zikao_tickets"
DOMAIN = "tickets"


async def serve_tickets(config: TicketsConfig) -> None:
    """Serve until cancelled."""
    configure_logging(DOMAIN, config.log)
    clock = OffsetClock(config.clock.offset_file) if config.clock.offset_file else SystemClock()
    keys = KeyRing.from_file(config.key_ring_file)
    trusted = TrustedKeys()

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            queries = Queries.load(PACKAGE)
            db = await stack.enter_async_context(await Database.connect(config.database, queries))
            await wait_until_migrated(db, PACKAGE)
            pool = RenderPool(config.render_processes)
            stack.callback(pool.close)
            async with db.transaction() as tx:
                signer = await open_signer(TicketStore(tx, keys), clock.now())
            parts = Parts(db, keys, clock, pool, signer)
            background = await _background(stack, config, parts, trusted)
            async with asyncio.TaskGroup() as tasks:
                started = [tasks.create_task(work) for work in background]
                yield _services(parts)
                for task in started:
                    task.cancel()

    await serve(
        open_services,
        config=config.server,
        domain=DOMAIN,
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(trusted.get, clock),
    )


def _services(parts: Parts) -> list[ServiceDefinition]:
    """What the service answers."""
    return [
        ServiceDefinition(
            session_service_pb2_grpc.add_SessionServiceServicer_to_server,
            SessionRpc(parts),
            _descriptor(session_service_pb2, "SessionService"),
        ),
        ServiceDefinition(
            arrangement_service_pb2_grpc.add_ArrangementServiceServicer_to_server,
            ArrangementRpc(parts),
            _descriptor(arrangement_service_pb2, "ArrangementService"),
        ),
        ServiceDefinition(
            ticket_service_pb2_grpc.add_TicketServiceServicer_to_server,
            TicketRpc(parts),
            _descriptor(ticket_service_pb2, "TicketService"),
        ),
        ServiceDefinition(
            ticket_service_pb2_grpc.add_VerificationServiceServicer_to_server,
            VerificationRpc(parts),
            _descriptor(ticket_service_pb2, "VerificationService"),
        ),
    ]


async def _background(
    stack: AsyncExitStack, config: TicketsConfig, parts: Parts, trusted: TrustedKeys
) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside the calls."""
    tls = config.server.tls
    files = CertFiles(tls.cert_file, tls.key_file, tls.ca_file)
    registration = await stack.enter_async_context(
        open_channel(
            config.registration.target,
            files,
            ServiceConfig.from_contract(
                _descriptor(account_service_pb2, "AccountService"),
                _descriptor(candidate_feed_service_pb2, "CandidateFeedService"),
            ),
            server_name=config.registration.server_name,
        )
    )
    enrollment = await stack.enter_async_context(
        open_channel(
            config.enrollment.target,
            files,
            ServiceConfig.from_contract(
                _descriptor(enrollment_feed_service_pb2, "EnrollmentFeedService")
            ),
            server_name=config.enrollment.server_name,
        )
    )
    client = RegistrationClient(registration)
    db, keys, clock = parts.db, parts.keys, parts.clock
    lease = timedelta(seconds=config.arrangement_lease_seconds)
    token_keys = TokenKeyWorker(db, keys, client, trusted)
    await token_keys.recall()
    arranging = ArrangementWorker(db, keys, clock, lease)
    photos = PhotoWorker(db, keys, clock, client)
    return [
        CandidateFeed(db, keys, registration).consumer().run(),
        EnrollmentFeed(db, keys, enrollment).consumer().run(),
        repeat("token keys", token_keys.work, config.poll_seconds),
        repeat("arrangement", arranging.work, config.poll_seconds),
        repeat("photos", photos.work, config.poll_seconds),
    ]


def _descriptor(module: Any, name: str) -> ServiceDescriptor:
    found: ServiceDescriptor = module.DESCRIPTOR.services_by_name[name]
    return found
