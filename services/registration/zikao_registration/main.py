"""How the parts of the registration service fit together."""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

from argon2 import PasswordHasher
from zikao.registration.v1 import account_service_pb2 as account
from zikao.registration.v1 import account_service_pb2_grpc as account_grpc
from zikao.registration.v1 import audit_service_pb2 as audit
from zikao.registration.v1 import audit_service_pb2_grpc as audit_grpc
from zikao.registration.v1 import candidate_feed_service_pb2 as feed
from zikao.registration.v1 import candidate_feed_service_pb2_grpc as feed_grpc
from zikao.registration.v1 import contact_service_pb2 as contact
from zikao.registration.v1 import contact_service_pb2_grpc as contact_grpc
from zikao.registration.v1 import errors_pb2
from zikao.registration.v1 import identity_provider_service_pb2 as provider
from zikao.registration.v1 import identity_provider_service_pb2_grpc as provider_grpc
from zikao.registration.v1 import login_service_pb2 as login
from zikao.registration.v1 import login_service_pb2_grpc as login_grpc
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import older_candidate_service_pb2_grpc as older_grpc
from zikao.registration.v1 import older_record_service_pb2 as record
from zikao.registration.v1 import older_record_service_pb2_grpc as record_grpc
from zikao.registration.v1 import privacy_service_pb2 as privacy
from zikao.registration.v1 import privacy_service_pb2_grpc as privacy_grpc
from zikao.registration.v1 import profile_change_service_pb2 as profile_change
from zikao.registration.v1 import profile_change_service_pb2_grpc as profile_change_grpc
from zikao.registration.v1 import recovery_service_pb2 as recovery
from zikao.registration.v1 import recovery_service_pb2_grpc as recovery_grpc
from zikao.registration.v1 import registration_service_pb2 as registration
from zikao.registration.v1 import registration_service_pb2_grpc as registration_grpc
from zikao.registration.v1 import review_service_pb2 as review
from zikao.registration.v1 import review_service_pb2_grpc as review_grpc
from zikao.registration.v1 import session_service_pb2 as session
from zikao.registration.v1 import session_service_pb2_grpc as session_grpc
from zikao.registration.v1 import staff_service_pb2 as staff
from zikao.registration.v1 import staff_service_pb2_grpc as staff_grpc
from zikao.registration.v1 import study_record_service_pb2 as study_record
from zikao.registration.v1 import study_record_service_pb2_grpc as study_record_grpc
from zikao.registration.v1 import ticket_number_service_pb2 as number
from zikao.registration.v1 import ticket_number_service_pb2_grpc as number_grpc
from zikao.registration.v1 import work_list_service_pb2 as work_list
from zikao.registration.v1 import work_list_service_pb2_grpc as work_list_grpc
from zikao_kit.audit_log import audit_work
from zikao_kit.background import repeat, running
from zikao_kit.clock import clock_of
from zikao_kit.crypto import KeyRing
from zikao_kit.feed import COMPACT_PAUSE_SECONDS, Compacting
from zikao_kit.idempotency import FORGET_PAUSE_SECONDS, Forgetting
from zikao_kit.key_commands import KEY_RING_PAUSE_SECONDS, KeyRingWatch
from zikao_kit.migrate import open_database
from zikao_kit.revoked_logins import RevokedLogins
from zikao_kit.server import ServiceDefinition, contracts_of, definition, serve
from zikao_kit.tokens import TokenVerifier, TrustedKeys

from zikao_registration.clients.identity_provider import open_identity_client
from zikao_registration.clients.messenger import open_messenger
from zikao_registration.config import Argon2Config, LoginConfig, RecoveryConfig, RegistrationConfig
from zikao_registration.decision_desk import decision_batcher
from zikao_registration.domain.logins import LoginLimit
from zikao_registration.domain.open_logins import LoginRules
from zikao_registration.domain.recovery import RecoveryLimit
from zikao_registration.names import PACKAGE, SCHEMA
from zikao_registration.parts import Parts
from zikao_registration.password_hashing import PasswordHashing
from zikao_registration.pictures import Pictures
from zikao_registration.rare_character_file import load_rare_characters
from zikao_registration.rpc.accounts import AccountRpc
from zikao_registration.rpc.audits import AuditRpc
from zikao_registration.rpc.contacts import ContactRpc
from zikao_registration.rpc.feed import CandidateFeedRpc
from zikao_registration.rpc.logins import LoginRpc
from zikao_registration.rpc.older_candidates import OlderCandidateRpc
from zikao_registration.rpc.older_records import OlderRecordRpc
from zikao_registration.rpc.privacy import PrivacyRpc
from zikao_registration.rpc.profile_changes import ProfileChangeRpc
from zikao_registration.rpc.provider_logins import IdentityProviderRpc
from zikao_registration.rpc.recoveries import RecoveryRpc
from zikao_registration.rpc.registrations import RegistrationRpc
from zikao_registration.rpc.reviews import ReviewRpc
from zikao_registration.rpc.sessions import SessionRpc
from zikao_registration.rpc.staff import StaffRpc
from zikao_registration.rpc.study_records import StudyRecordRpc
from zikao_registration.rpc.ticket_numbers import TicketNumberRpc
from zikao_registration.rpc.work_lists import WorkListRpc
from zikao_registration.signing import TokenKeys, TokenLifetimes
from zikao_registration.workers.backlog import BACKLOG_PAUSE_SECONDS, BacklogWorker
from zikao_registration.workers.deadlines import DeadlineWorker
from zikao_registration.workers.logins import LoginWorker
from zikao_registration.workers.messages import ExpiredMessageWorker, MessageWorker
from zikao_registration.workers.profile_changes import ProfileChangeWorker
from zikao_registration.workers.retention import OldImportWorker, RetentionWorker, note_audit_cuts
from zikao_registration.workers.signing_keys import SigningKeyWorker

# The generated modules of a service, its name in them, and what answers it.
_SERVICES: Sequence[tuple[Any, Any, str, Callable[[Parts], Any]]] = (
    (account_grpc, account, "AccountService", AccountRpc),
    (login_grpc, login, "LoginService", LoginRpc),
    (staff_grpc, staff, "StaffService", StaffRpc),
    (registration_grpc, registration, "RegistrationService", RegistrationRpc),
    (privacy_grpc, privacy, "PrivacyService", PrivacyRpc),
    (profile_change_grpc, profile_change, "ProfileChangeService", ProfileChangeRpc),
    (review_grpc, review, "ReviewService", ReviewRpc),
    (work_list_grpc, work_list, "WorkListService", WorkListRpc),
    (audit_grpc, audit, "AuditService", AuditRpc),
    (recovery_grpc, recovery, "RecoveryService", RecoveryRpc),
    (provider_grpc, provider, "IdentityProviderService", IdentityProviderRpc),
    (contact_grpc, contact, "ContactService", ContactRpc),
    (feed_grpc, feed, "CandidateFeedService", CandidateFeedRpc),
    (older_grpc, older, "OlderCandidateService", OlderCandidateRpc),
    (record_grpc, record, "OlderRecordService", OlderRecordRpc),
    (number_grpc, number, "TicketNumberService", TicketNumberRpc),
    (session_grpc, session, "SessionService", SessionRpc),
    (study_record_grpc, study_record, "StudyRecordService", StudyRecordRpc),
)


async def serve_registration(config: RegistrationConfig) -> None:
    """Serve until cancelled."""
    clock = clock_of(config.clock)
    keys = KeyRing.from_file(config.key_ring_file)
    rare_characters = load_rare_characters(config.rare_characters_file)
    trusted = TrustedKeys()
    revoked = RevokedLogins(clock)
    tokens = TokenKeys(clock, _token_lifetimes(config), trusted)

    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with AsyncExitStack() as stack:
            # First what reads files: who starts us hears of a wrong path, database or not.
            messenger = await stack.enter_async_context(open_messenger(config.mail, config.sms))
            identity_provider = await stack.enter_async_context(
                open_identity_client(config.identity_provider)
            )
            db = await stack.enter_async_context(open_database(config.database, PACKAGE))
            hashing = PasswordHashing(_hasher(config.argon2))
            stack.callback(hashing.close)
            pictures = Pictures()
            stack.callback(pictures.close)
            parts = Parts(
                db=db,
                keys=keys,
                clock=clock,
                hashing=hashing,
                pictures=pictures,
                tokens=tokens,
                recovery_limit=_recovery_limit(config.recovery),
                messenger=messenger,
                revoked=revoked,
                login_rules=_login_rules(config),
                identity_provider=identity_provider,
                lease=timedelta(minutes=config.lease_minutes),
                rare_characters=rare_characters,
                decisions=decision_batcher(db, keys),
            )
            await SigningKeyWorker(parts, config.signing_rotation).work()
            while await parts.revocations.work():
                pass
            await stack.enter_async_context(running(*_beside(parts, config)))
            yield _services(parts)

    await serve(
        open_services,
        config=config.server_with_room,
        domain=SCHEMA,
        error_enum=errors_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(trusted.get, clock, revoked),
        contracts=contracts_of(_SERVICES),
        computes_in_threads=True,
    )


def _beside(parts: Parts, config: RegistrationConfig) -> list[Coroutine[Any, Any, None]]:
    """What goes on beside the calls."""
    poll_seconds = config.poll_seconds
    retention = RetentionWorker(parts, config.abandoned_retention)
    imports = OldImportWorker(parts, config.import_retention)
    return [
        repeat("signing keys", SigningKeyWorker(parts, config.signing_rotation).work, poll_seconds),
        repeat("revoked logins", parts.revocations.work, poll_seconds),
        repeat("deadlines", DeadlineWorker(parts).work, poll_seconds),
        *(
            repeat(f"messages by {channel}", MessageWorker(parts, channel).work, poll_seconds)
            for channel in parts.messenger.channels
        ),
        repeat("expired messages", ExpiredMessageWorker(parts).work, poll_seconds),
        repeat("backlog", BacklogWorker(parts).work, BACKLOG_PAUSE_SECONDS),
        repeat("profile changes", ProfileChangeWorker(parts).work, poll_seconds),
        repeat("retention", retention.work, poll_seconds),
        repeat("old imports", imports.work, poll_seconds),
        *audit_work(
            parts.db,
            SCHEMA,
            parts.clock,
            config.audit_retention_days,
            note_audit_cuts(parts.store),
        ),
        repeat("key ring", KeyRingWatch(parts.keys).work, KEY_RING_PAUSE_SECONDS),
        repeat("old logins", LoginWorker(parts).work, FORGET_PAUSE_SECONDS),
        repeat("old answers", Forgetting(parts.db, SCHEMA).work, FORGET_PAUSE_SECONDS),
        repeat("old events", Compacting(parts.db, SCHEMA).work, COMPACT_PAUSE_SECONDS),
    ]


def _hasher(config: Argon2Config) -> PasswordHasher:
    return PasswordHasher(
        time_cost=config.time_cost,
        memory_cost=config.memory_kib,
        parallelism=config.parallelism,
    )


def _token_lifetimes(config: RegistrationConfig) -> TokenLifetimes:
    return TokenLifetimes(
        candidate=timedelta(minutes=config.candidate_token_minutes),
        staff=timedelta(minutes=config.staff_token_minutes),
    )


def _login_limit(config: LoginConfig) -> LoginLimit:
    return LoginLimit(
        attempts=config.attempts,
        attempts_per_caller=config.attempts_per_caller,
        caller_failure_share=config.caller_failure_share,
        window=timedelta(minutes=config.window_minutes),
    )


def _recovery_limit(config: RecoveryConfig) -> RecoveryLimit:
    return RecoveryLimit(
        attempts=config.attempts,
        attempts_per_ticket_number=config.attempts_per_ticket_number,
        window=timedelta(hours=config.window_hours),
    )


def _login_rules(config: RegistrationConfig) -> LoginRules:
    login = config.login
    return LoginRules(
        limit=_login_limit(login),
        candidate_lifetime=timedelta(hours=login.candidate_hours),
        staff_lifetime=timedelta(hours=login.staff_hours),
        staff_idle=timedelta(minutes=login.staff_idle_minutes),
        second_factor_required=login.second_factor_required,
        longest_token=_token_lifetimes(config).longest,
    )


def _services(parts: Parts) -> list[ServiceDefinition]:
    """What the service answers."""
    return [
        definition(grpc_module, module, name, rpc(parts))
        for grpc_module, module, name, rpc in _SERVICES
    ]
