"""How the parts of the enrollment service fit together."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from zikao.enrollment.v1 import enrollment_feed_service_pb2 as feed
from zikao.enrollment.v1 import enrollment_feed_service_pb2_grpc as feed_grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import errors_pb2
from zikao.enrollment.v1 import session_service_pb2 as session
from zikao.enrollment.v1 import session_service_pb2_grpc as session_grpc
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.payment.v1 import payment_platform_service_pb2_grpc as payment_grpc
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import candidate_feed_service_pb2 as candidates
from zikao_kit.background import repeat, running
from zikao_kit.channel import open_peer
from zikao_kit.clock import Clock, clock_of
from zikao_kit.db import Database
from zikao_kit.idempotency import FORGET_PAUSE_SECONDS, Forgetting
from zikao_kit.logs import configure_logging
from zikao_kit.migrate import wait_until_migrated
from zikao_kit.queries import Queries
from zikao_kit.server import ServiceDefinition, serve
from zikao_kit.token_keys import TokenKeyKeeper
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_enrollment.batcher import Batcher
from zikao_enrollment.boards import Boards
from zikao_enrollment.clients import PlatformClient, RegistrationClient
from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.desk import Desk
from zikao_enrollment.newcomers import Newcomers
from zikao_enrollment.parts import PACKAGE, Parts
from zikao_enrollment.rpc import EnrollmentRpc, FeedRpc, NotificationRpc, SessionRpc
from zikao_enrollment.store import SCHEMA
from zikao_enrollment.till import Till
from zikao_enrollment.workers.candidates import follow_candidates
from zikao_enrollment.workers.expiry import ExpiryWorker
from zikao_enrollment.workers.refunds import RefundWorker


async def serve_enrollment(config: EnrollmentConfig) -> None:
    """Serve until cancelled."""
    configure_logging(SCHEMA, config.log)
    clock = clock_of(config.clock)
    trusted = TrustedKeys()

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            db = await Database.connect(config.database, Queries.load(PACKAGE))
            await stack.enter_async_context(db)
            await wait_until_migrated(db, PACKAGE)
            parts = await _open_parts(stack, config, db, clock, trusted)
            yield _services(parts)

    await serve(
        open_services,
        config=config.server,
        domain=SCHEMA,
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(trusted.get, clock),
    )


async def _open_parts(
    stack: AsyncExitStack,
    config: EnrollmentConfig,
    db: Database,
    clock: Clock,
    trusted: TrustedKeys,
) -> Parts:
    """Put the parts together and start what goes on beside the calls."""
    tls = config.server.tls
    registration_channel = await stack.enter_async_context(
        open_peer(
            config.registration,
            tls,
            accounts.DESCRIPTOR.services_by_name["AccountService"],
            candidates.DESCRIPTOR.services_by_name["CandidateFeedService"],
        )
    )
    platform_channel = await stack.enter_async_context(
        open_peer(
            config.platform, tls, payment.DESCRIPTOR.services_by_name["PaymentPlatformService"]
        )
    )
    registration, platform = (
        RegistrationClient(registration_channel),
        PlatformClient(platform_channel),
    )
    token_keys = TokenKeyKeeper(db, SCHEMA, registration.signing_keys, trusted)
    await token_keys.recall()
    boards = Boards(db, clock)
    await boards.refresh()
    till = Till(db, clock, boards)
    expiry = ExpiryWorker(db, clock, till, platform)
    refunds = RefundWorker(db, clock, platform)
    await stack.enter_async_context(
        running(
            follow_candidates(db, registration_channel).run(),
            repeat("token keys", token_keys.work, config.poll_seconds),
            repeat("old answers", Forgetting(db, SCHEMA).work, FORGET_PAUSE_SECONDS),
            repeat("board", boards.work, config.board_seconds),
            repeat("expiry", expiry.release_unpaid, config.poll_seconds),
            repeat("closing", expiry.close_paying, config.poll_seconds),
            repeat("refunds", refunds.work, config.poll_seconds),
        )
    )
    return Parts(
        db=db,
        clock=clock,
        boards=boards,
        batcher=Batcher(
            Desk(db, boards, clock).decide,
            max_batch=config.max_batch,
            in_flight=config.batches_in_flight,
        ),
        newcomers=Newcomers(db, registration),
        platform=platform,
        till=till,
    )


def _services(parts: Parts) -> list[ServiceDefinition]:
    """What the service answers."""
    return [
        ServiceDefinition(
            session_grpc.add_SessionServiceServicer_to_server,
            SessionRpc(parts),
            session.DESCRIPTOR.services_by_name["SessionService"],
        ),
        ServiceDefinition(
            enrollment_grpc.add_EnrollmentServiceServicer_to_server,
            EnrollmentRpc(parts),
            enrollment.DESCRIPTOR.services_by_name["EnrollmentService"],
        ),
        ServiceDefinition(
            payment_grpc.add_PaymentNotificationServiceServicer_to_server,
            NotificationRpc(parts),
            payment.DESCRIPTOR.services_by_name["PaymentNotificationService"],
        ),
        ServiceDefinition(
            feed_grpc.add_EnrollmentFeedServiceServicer_to_server,
            FeedRpc(parts),
            feed.DESCRIPTOR.services_by_name["EnrollmentFeedService"],
        ),
    ]
