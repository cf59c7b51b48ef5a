"""How the parts of the enrollment service fit together."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import grpc
from zikao.enrollment.v1 import errors_pb2
from zikao.payment.v1 import payment_platform_service_pb2 as payment
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import candidate_feed_service_pb2 as candidates
from zikao_kit.admission import Admission, Load
from zikao_kit.audit_log import audit_work
from zikao_kit.background import repeat, running
from zikao_kit.batcher import Batcher
from zikao_kit.channel import open_peer
from zikao_kit.clock import Clock, clock_of
from zikao_kit.counting import Counting
from zikao_kit.db import Database
from zikao_kit.feed import COMPACT_PAUSE_SECONDS, Compacting
from zikao_kit.idempotency import FORGET_PAUSE_SECONDS, Forgetting
from zikao_kit.migrate import open_database
from zikao_kit.peers import PeerWatch
from zikao_kit.revoked_logins import RevocationKeeper, RevokedLogins
from zikao_kit.server import ServiceDefinition, serve
from zikao_kit.token_keys import TokenKeyKeeper
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_enrollment.clients import PlatformClient, RegistrationClient
from zikao_enrollment.config import EnrollmentConfig
from zikao_enrollment.money.payment_gate import PaymentGate
from zikao_enrollment.money.payments import Payments
from zikao_enrollment.money.statement_days import StatementDays
from zikao_enrollment.money.till import Till
from zikao_enrollment.money.withdrawals import Withdrawals
from zikao_enrollment.names import PACKAGE, SCHEMA
from zikao_enrollment.office_door import OfficeDoor
from zikao_enrollment.parts import Parts
from zikao_enrollment.seats.desk import SUBMISSIONS, Desk, Entry
from zikao_enrollment.seats.doorman import Doorman
from zikao_enrollment.seats.gatekeeper import Gatekeeper
from zikao_enrollment.seats.newcomers import Newcomers
from zikao_enrollment.seats.submitting import Submitting
from zikao_enrollment.services import CONTRACTS, services
from zikao_enrollment.stores.offices import note_audit_cut
from zikao_enrollment.stores.statistics import count_figures
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.seat_metrics import SEATS
from zikao_enrollment.views.showcase import Showcase
from zikao_enrollment.views.spectators import Spectators
from zikao_enrollment.waiting.arrivals import Arrivals
from zikao_enrollment.waiting.joining import Joining
from zikao_enrollment.waiting.onlookers import Onlookers
from zikao_enrollment.waiting.porter import Porter
from zikao_enrollment.waiting.rooms import ROOM_PAUSE_SECONDS, Rooms
from zikao_enrollment.workers.admitting import TICK_SECONDS, AdmittingWorker
from zikao_enrollment.workers.auditing import Auditor
from zikao_enrollment.workers.backlog import BACKLOG_PAUSE_SECONDS, BacklogWorker
from zikao_enrollment.workers.candidates import follow_candidates
from zikao_enrollment.workers.expiry import ExpiryWorker
from zikao_enrollment.workers.old_traces import OLD_TRACES_PAUSE_SECONDS, OldTraceWorker
from zikao_enrollment.workers.order_counts import ORDER_COUNT_PAUSE_SECONDS, OrderCountWorker
from zikao_enrollment.workers.payment_queries import PaymentQueryWorker
from zikao_enrollment.workers.reconciliation import ReconciliationWorker
from zikao_enrollment.workers.refunds import RefundWorker


async def serve_enrollment(config: EnrollmentConfig) -> None:
    """Serve until cancelled."""
    clock = clock_of(config.clock)
    trusted, revoked = TrustedKeys(), RevokedLogins(clock)
    verifier = TokenVerifier(trusted.get, clock, revoked, config.verified_tokens)
    admission = Admission.of(config.server)

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(open_database(config.database, PACKAGE))
            to_registration = await stack.enter_async_context(_registration(config))
            to_platform = await stack.enter_async_context(_platform(config))
            registration = RegistrationClient(to_registration)
            keys = TokenKeyKeeper(db, SCHEMA, registration.signing_keys, trusted)
            await keys.recall()
            revocations = RevocationKeeper(registration.revoked_logins, revoked)
            parts = _parts(
                config,
                db,
                clock,
                admission=admission,
                verifier=verifier,
                registration=registration,
                platform=PlatformClient(to_platform),
            )
            await parts.boards.refresh()
            SEATS.follow(parts.boards)
            await parts.rooms.refresh()
            await stack.enter_async_context(
                running(
                    follow_candidates(db, to_registration).run(),
                    repeat("token keys", keys.work, config.poll_seconds),
                    repeat("revoked logins", revocations.work, config.poll_seconds),
                    *_watch_peers(config, to_registration, to_platform),
                    *_work(config, parts),
                )
            )
            yield services(parts)

    await serve(
        open_services,
        config=config.server,
        domain=SCHEMA,
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=verifier,
        contracts=CONTRACTS,
        admission=admission,
    )


def _registration(config: EnrollmentConfig) -> grpc.aio.Channel:
    """To registration: who candidates are, and the keys of their tokens."""
    return open_peer(
        config.registration,
        config.server.tls,
        accounts.DESCRIPTOR.services_by_name["AccountService"],
        candidates.DESCRIPTOR.services_by_name["CandidateFeedService"],
    )


def _platform(config: EnrollmentConfig) -> grpc.aio.Channel:
    """To the fiscal payment platform."""
    contract = payment.DESCRIPTOR.services_by_name["PaymentPlatformService"]
    return open_peer(config.platform, config.server.tls, contract)


def _watch_peers(
    config: EnrollmentConfig, registration: grpc.aio.Channel, platform: grpc.aio.Channel
) -> list[Coroutine[Any, Any, None]]:
    """Whom the service calls is known to be there before a candidate needs it."""
    watches = (
        PeerWatch("registration", registration, config.registration),
        PeerWatch("platform", platform, config.platform),
    )
    return [repeat("peers", each.work, config.poll_seconds) for each in watches]


def _parts(
    config: EnrollmentConfig,
    db: Database,
    clock: Clock,
    *,
    admission: Admission,
    verifier: TokenVerifier,
    registration: RegistrationClient,
    platform: PlatformClient,
) -> Parts:
    """What the methods work with."""
    boards = Boards(db, clock)
    rooms, arrivals = Rooms(db, boards, clock), Arrivals()
    decide = Desk(db, boards, rooms, clock).decide
    batcher: Batcher[Entry] = Batcher(
        decide, SUBMISSIONS, max_batch=config.max_batch, in_flight=config.batches_in_flight
    )
    gate, till = PaymentGate(platform), Till(db, clock, boards)
    newcomers = Newcomers(db, registration)
    return Parts(
        db=db,
        clock=clock,
        boards=boards,
        rooms=rooms,
        onlookers=Onlookers(rooms, clock),
        arrivals=arrivals,
        joining=Joining(db, boards, rooms, clock, max_batch=config.max_batch),
        showcase=Showcase(boards),
        spectators=Spectators(boards),
        admission=admission,
        verifier=verifier,
        submitting=Submitting(
            batcher, newcomers, Doorman(boards, clock), Gatekeeper(boards, rooms, arrivals, clock)
        ),
        stream_submissions=config.stream_submissions,
        newcomers=newcomers,
        platform=platform,
        payments=Payments(db, clock, gate, timedelta(seconds=config.payment_query_seconds)),
        till=till,
        statistics=Counting(db, clock, count_figures),
        office_door=OfficeDoor(),
        office_action_lifetime=timedelta(hours=config.office_action_hours),
        statements=StatementDays(db, boards, ZoneInfo(config.time_zone)),
        withdrawals=Withdrawals(db, clock, boards, gate, till),
    )


def _load(parts: Parts) -> Load:
    """How submissions get on: those who wait for a batch are a queue, too.

    Whoever is let in together may submit together: that has passed before the next ones are.
    """
    load = parts.admission.snapshot()
    return replace(load, standing=load.standing or parts.submitting.standing_seconds > TICK_SECONDS)


def _work(config: EnrollmentConfig, parts: Parts) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside the calls."""
    db, clock, platform = parts.db, parts.clock, parts.platform
    expiry = ExpiryWorker(db, clock, parts.till, platform)
    auditor = Auditor(
        db,
        clock,
        timedelta(seconds=config.audit_seconds),
        timedelta(hours=config.refund_deadline_hours),
    )
    reconciliation = ReconciliationWorker(
        db, clock, parts.statements, parts.till, platform, statement_hour=config.statement_hour
    )
    first_query = timedelta(seconds=config.payment_query_seconds)
    admitting = AdmittingWorker(db, clock, parts.rooms, parts.arrivals, load=lambda: _load(parts))
    queries = PaymentQueryWorker(db, parts.till, platform, first_query)
    return [
        repeat("board", parts.boards.work, config.board_seconds),
        repeat("waiting rooms", parts.rooms.look, ROOM_PAUSE_SECONDS),
        repeat("draws", Porter(db, parts.rooms, clock).work, ROOM_PAUSE_SECONDS),
        repeat("admitting", admitting.work, TICK_SECONDS),
        repeat("places", parts.onlookers.work, 0.0),
        repeat("availability", parts.spectators.work, 0.0),
        repeat("expiry", expiry.release_unpaid, config.poll_seconds),
        repeat("closing", expiry.close_paying, config.poll_seconds),
        repeat("payment queries", queries.work, config.poll_seconds),
        repeat("refunds", RefundWorker(db, clock, platform).work, config.poll_seconds),
        repeat("audit", auditor.work, config.poll_seconds),
        repeat("statements", reconciliation.receive, config.poll_seconds),
        repeat("comparing", reconciliation.compare, config.poll_seconds),
        repeat("differences", reconciliation.settle, config.poll_seconds),
        repeat("backlog", BacklogWorker(db, clock).work, BACKLOG_PAUSE_SECONDS),
        *audit_work(db, SCHEMA, clock, config.audit_retention_days, note_audit_cut),
        repeat("orders", OrderCountWorker(db, parts.boards).work, ORDER_COUNT_PAUSE_SECONDS),
        repeat("old traces", OldTraceWorker(db).work, OLD_TRACES_PAUSE_SECONDS),
        repeat("old answers", Forgetting(db, SCHEMA).work, FORGET_PAUSE_SECONDS),
        repeat("old events", Compacting(db, SCHEMA).work, COMPACT_PAUSE_SECONDS),
    ]
