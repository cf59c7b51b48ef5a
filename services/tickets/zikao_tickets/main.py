"""How the parts of the tickets service fit together."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
from zikao.enrollment.v1 import enrollment_feed_service_pb2 as enrollment_feed
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import candidate_feed_service_pb2 as candidate_feed
from zikao.tickets.v1 import arrangement_operation_service_pb2 as operation
from zikao.tickets.v1 import arrangement_operation_service_pb2_grpc as operation_grpc
from zikao.tickets.v1 import arrangement_service_pb2 as arrangement
from zikao.tickets.v1 import arrangement_service_pb2_grpc as arrangement_grpc
from zikao.tickets.v1 import document_service_pb2 as document
from zikao.tickets.v1 import document_service_pb2_grpc as document_grpc
from zikao.tickets.v1 import door_service_pb2 as door
from zikao.tickets.v1 import door_service_pb2_grpc as door_grpc
from zikao.tickets.v1 import errors_pb2
from zikao.tickets.v1 import office_audit_service_pb2 as office_audit
from zikao.tickets.v1 import office_audit_service_pb2_grpc as office_audit_grpc
from zikao.tickets.v1 import office_service_pb2 as office
from zikao.tickets.v1 import office_service_pb2_grpc as office_grpc
from zikao.tickets.v1 import office_ticket_service_pb2 as office_ticket
from zikao.tickets.v1 import office_ticket_service_pb2_grpc as office_ticket_grpc
from zikao.tickets.v1 import session_service_pb2 as session
from zikao.tickets.v1 import session_service_pb2_grpc as session_grpc
from zikao.tickets.v1 import site_service_pb2 as site
from zikao.tickets.v1 import site_service_pb2_grpc as site_grpc
from zikao.tickets.v1 import ticket_feed_service_pb2 as ticket_feed
from zikao.tickets.v1 import ticket_feed_service_pb2_grpc as ticket_feed_grpc
from zikao.tickets.v1 import ticket_service_pb2 as ticket
from zikao.tickets.v1 import ticket_service_pb2_grpc as ticket_grpc
from zikao.tickets.v1 import ticket_statistics_service_pb2 as statistics
from zikao.tickets.v1 import ticket_statistics_service_pb2_grpc as statistics_grpc
from zikao.tickets.v1 import unprintable_service_pb2 as unprintable
from zikao.tickets.v1 import unprintable_service_pb2_grpc as unprintable_grpc
from zikao.tickets.v1 import verification_service_pb2 as verification
from zikao.tickets.v1 import verification_service_pb2_grpc as verification_grpc
from zikao_kit.audit_log import audit_work
from zikao_kit.background import repeat, running
from zikao_kit.channel import open_peer
from zikao_kit.clock import clock_of
from zikao_kit.config_loading import ConfigError
from zikao_kit.crypto import KeyRing
from zikao_kit.feed import COMPACT_PAUSE_SECONDS, Compacting
from zikao_kit.idempotency import FORGET_PAUSE_SECONDS, Forgetting
from zikao_kit.key_commands import KEY_RING_PAUSE_SECONDS, KeyRingWatch
from zikao_kit.migrate import open_database
from zikao_kit.peers import PeerWatch
from zikao_kit.revoked_logins import RevocationKeeper, RevokedLogins
from zikao_kit.server import ServiceDefinition, contracts_of, definition, serve
from zikao_kit.token_keys import TokenKeyKeeper
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_tickets.clients import RegistrationClient
from zikao_tickets.commands.open_signer import open_signer
from zikao_tickets.config import (
    OLD_DOCUMENTS_PAUSE_SECONDS,
    PROOF_KEYS_PAUSE_SECONDS,
    TicketsConfig,
)
from zikao_tickets.names import PACKAGE, SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.printing.fonts import FontStackIncomplete, require_usable
from zikao_tickets.rendering import RenderPool
from zikao_tickets.rpc.arrangement_operations import ArrangementOperationRpc
from zikao_tickets.rpc.arrangements import ArrangementRpc
from zikao_tickets.rpc.documents import DocumentRpc
from zikao_tickets.rpc.door import DoorRpc
from zikao_tickets.rpc.feed import TicketFeedRpc
from zikao_tickets.rpc.office_audits import OfficeAuditRpc
from zikao_tickets.rpc.office_tickets import OfficeTicketRpc
from zikao_tickets.rpc.offices import OfficeRpc
from zikao_tickets.rpc.sessions import SessionRpc
from zikao_tickets.rpc.sites import SiteRpc
from zikao_tickets.rpc.statistics import TicketStatisticsRpc
from zikao_tickets.rpc.tickets import TicketRpc
from zikao_tickets.rpc.unprintable import UnprintableRpc
from zikao_tickets.rpc.verification import VerificationRpc
from zikao_tickets.solving.pool import SolvePool
from zikao_tickets.stores.offices import note_audit_cut
from zikao_tickets.stores.proof_keys import ProofKeyStore
from zikao_tickets.workers.arranging import ArrangementWorker
from zikao_tickets.workers.backlog import BACKLOG_PAUSE_SECONDS, BacklogWorker
from zikao_tickets.workers.feeds import follow_candidates, follow_enrollments
from zikao_tickets.workers.name_checks import NameChecks
from zikao_tickets.workers.photos import PhotoWorker
from zikao_tickets.workers.proof_keys import ProofKeyWatch
from zikao_tickets.workers.publishing import PublicationWorker
from zikao_tickets.workers.retention import OldDocumentWorker

# The generated modules of a service, its name in them, and what answers it.
_SERVICES: Sequence[tuple[Any, Any, str, Callable[[Parts], Any]]] = (
    (session_grpc, session, "SessionService", SessionRpc),
    (arrangement_grpc, arrangement, "ArrangementService", ArrangementRpc),
    (operation_grpc, operation, "ArrangementOperationService", ArrangementOperationRpc),
    (site_grpc, site, "SiteService", SiteRpc),
    (office_grpc, office, "OfficeService", OfficeRpc),
    (office_audit_grpc, office_audit, "OfficeAuditService", OfficeAuditRpc),
    (ticket_grpc, ticket, "TicketService", TicketRpc),
    (office_ticket_grpc, office_ticket, "OfficeTicketService", OfficeTicketRpc),
    (ticket_feed_grpc, ticket_feed, "TicketFeedService", TicketFeedRpc),
    (unprintable_grpc, unprintable, "UnprintableService", UnprintableRpc),
    (door_grpc, door, "DoorService", DoorRpc),
    (verification_grpc, verification, "VerificationService", VerificationRpc),
    (statistics_grpc, statistics, "TicketStatisticsService", TicketStatisticsRpc),
    (document_grpc, document, "DocumentService", DocumentRpc),
)


async def serve_tickets(config: TicketsConfig) -> None:
    """Serve until cancelled; raises ConfigError when nothing could be printed."""
    try:
        require_usable(config.font_directories)
    except FontStackIncomplete as error:
        raise ConfigError([str(error)]) from error
    clock = clock_of(config.clock)
    keys = KeyRing.from_file(config.key_ring_file)
    trusted, revoked = TrustedKeys(), RevokedLogins(clock)

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(open_database(config.database, PACKAGE))
            pool = RenderPool(config.render_processes, config.font_directories)
            stack.callback(pool.close)
            async with db.transaction() as tx:
                signer = await open_signer(ProofKeyStore(tx, keys), clock)
            lifetime = timedelta(hours=config.office_action_hours)
            parts = Parts(db, keys, clock, pool, signer, lifetime, config.versions_per_officer)
            await _open_background(stack, config, parts, trusted, revoked)
            yield _services(parts)

    await serve(
        open_services,
        config=config.server,
        domain=SCHEMA,
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(trusted.get, clock, revoked),
        contracts=contracts_of(_SERVICES),
    )


async def _open_background(
    stack: AsyncExitStack,
    config: TicketsConfig,
    parts: Parts,
    trusted: TrustedKeys,
    revoked: RevokedLogins,
) -> None:
    """Start what goes on beside the calls; it ends with the stack."""
    tls = config.server.tls
    registration = await stack.enter_async_context(
        open_peer(
            config.registration,
            tls,
            accounts.DESCRIPTOR.services_by_name["AccountService"],
            candidate_feed.DESCRIPTOR.services_by_name["CandidateFeedService"],
        )
    )
    enrollment = await stack.enter_async_context(
        open_peer(
            config.enrollment,
            tls,
            enrollment_feed.DESCRIPTOR.services_by_name["EnrollmentFeedService"],
        )
    )
    client = RegistrationClient(registration)
    db, keys, clock = parts.db, parts.keys, parts.clock
    token_keys = TokenKeyKeeper(db, SCHEMA, client.signing_keys, trusted)
    await token_keys.recall()
    revocations = RevocationKeeper(client.revoked_logins, revoked)
    lease = timedelta(seconds=config.arrangement_lease_seconds)
    solving = SolvePool(config.solve_processes)
    stack.callback(solving.close)
    arranging = ArrangementWorker(db, keys, clock, solving, lease)
    again_after = timedelta(seconds=config.photo_again_seconds)
    photos = PhotoWorker(db, keys, clock, client, again_after)
    await stack.enter_async_context(
        running(
            follow_candidates(db, keys, registration).run(),
            follow_enrollments(db, keys, enrollment).run(),
            repeat("token keys", token_keys.work, config.poll_seconds),
            repeat("revoked logins", revocations.work, config.poll_seconds),
            *(
                # While one writes, another one solves.
                repeat("arrangement", arranging.work, config.poll_seconds)
                for _ in range(config.solve_processes + 1)
            ),
            repeat("photos", photos.work, config.poll_seconds),
            *_watch_peers(config, registration, enrollment),
            *_alone(config, parts),
        )
    )


def _watch_peers(
    config: TicketsConfig, registration: grpc.aio.Channel, enrollment: grpc.aio.Channel
) -> list[Coroutine[Any, Any, None]]:
    """Whether those whose feeds are followed are there."""
    watches = (
        PeerWatch("registration", registration, config.registration),
        PeerWatch("enrollment", enrollment, config.enrollment),
    )
    return [repeat("peers", each.work, config.poll_seconds) for each in watches]


def _alone(config: TicketsConfig, parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """What goes on without other services or solvers."""
    db, keys, clock = parts.db, parts.keys, parts.clock
    proof_keys = ProofKeyWatch(db, keys, parts.signer)
    publishing = PublicationWorker(db, clock)
    names = NameChecks(db, keys, clock, parts.pool, parts.glyphs)
    keep_documents = timedelta(days=config.document_retention_days)
    old_documents = OldDocumentWorker(db, keys, clock, keep_documents)
    return [
        repeat("key ring", KeyRingWatch(keys).work, KEY_RING_PAUSE_SECONDS),
        repeat("proof keys", proof_keys.work, PROOF_KEYS_PAUSE_SECONDS),
        repeat("publication", publishing.work, config.poll_seconds),
        repeat("names", names.work, config.poll_seconds),
        repeat("backlog", BacklogWorker(db, clock).work, BACKLOG_PAUSE_SECONDS),
        repeat("old documents", old_documents.work, OLD_DOCUMENTS_PAUSE_SECONDS),
        *audit_work(db, SCHEMA, clock, config.audit_retention_days, note_audit_cut),
        repeat("old answers", Forgetting(db, SCHEMA).work, FORGET_PAUSE_SECONDS),
        repeat("old events", Compacting(db, SCHEMA).work, COMPACT_PAUSE_SECONDS),
    ]


def _services(parts: Parts) -> list[ServiceDefinition]:
    """What the service answers."""
    return [
        definition(grpc_module, module, name, rpc(parts))
        for grpc_module, module, name, rpc in _SERVICES
    ]
