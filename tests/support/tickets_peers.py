"""Registration and enrollment as the tickets service knows them: real servers over mutual TLS.

They serve the two feeds, the photos and the token keys from memory.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import enrollment_feed_service_pb2 as enrollment_feed
from zikao.enrollment.v1 import enrollment_feed_service_pb2_grpc as enrollment_feed_grpc
from zikao.enrollment.v1 import errors_pb2 as enrollment_errors
from zikao.enrollment.v1 import types_pb2 as enrollment_types
from zikao.registration.v1 import account_service_pb2 as accounts
from zikao.registration.v1 import account_service_pb2_grpc as accounts_grpc
from zikao.registration.v1 import candidate_feed_service_pb2 as candidate_feed
from zikao.registration.v1 import candidate_feed_service_pb2_grpc as candidate_feed_grpc
from zikao.registration.v1 import errors_pb2 as registration_errors
from zikao.registration.v1 import types_pb2 as registration_types
from zikao_kit.clock import SystemClock
from zikao_kit.config import PeerConfig, ServerConfig
from zikao_kit.convert import time_to_pb
from zikao_kit.errors import METHOD_NOT_PERMITTED, NOT_FOUND, DomainError
from zikao_kit.server import GrpcServer, ServiceDefinition, definition
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenVerifier, TrustedKeys

HEARTBEAT_SECONDS = 0.05
COUNTY = "510104"


@dataclass
class Peers:
    """What the two services have to say; a test adds to it while they serve."""

    candidates: list[candidate_feed.Candidate] = field(default_factory=list)
    enrollments: list[enrollment_feed.EnrollmentEvent] = field(default_factory=list)
    photos: dict[str, bytes] = field(default_factory=dict)
    signing_keys: dict[str, bytes] = field(default_factory=dict)
    revoked_logins: set[str] = field(default_factory=set)
    photos_asked: list[str] = field(default_factory=list)
    enrollment_is_silent: bool = False
    candidate_watchers: int = 0
    registration: PeerConfig = field(init=False)
    enrollment: PeerConfig = field(init=False)

    def register(self, candidate_id: UUID, name: str, photo: bytes) -> None:
        """Approve a candidate; the photo itself is there once it is put into `photos`."""
        candidate = candidate_feed.Candidate(
            candidate_id=str(candidate_id),
            ticket_number=ticket_number(candidate_id),
            county_code=COUNTY,
            name=name,
            sex=registration_types.SEX_FEMALE,
            document_number="513101198201130014",
            photo_sha256=hashlib.sha256(photo).digest(),
        )
        self.candidates.append(candidate)

    def enroll(self, candidate_id: UUID, *courses: tuple[int, str], county: str = COUNTY) -> None:
        """Confirm a candidate's courses: all of them, as (slot, course code)."""
        event = enrollment_feed.EnrollmentEvent(
            session_code="22.1",
            candidate_id=str(candidate_id),
            county_code=county,
            courses=[
                enrollment_types.OrderCourse(slot=slot, course_code=code) for slot, code in courses
            ],
        )
        self.enrollments.append(event)


def ticket_number(candidate_id: UUID) -> str:
    """The ticket number of a test's candidate."""
    return f"0104221{candidate_id.int:05}"


@asynccontextmanager
async def running_peers(ca: DevelopmentCa, peers: Peers) -> AsyncIterator[None]:
    """Serve both; sets where they are."""
    async with AsyncExitStack() as stack:
        registration = await stack.enter_async_context(
            _serving(ca, "registration", registration_errors, _registration(peers))
        )
        enrollment = await stack.enter_async_context(
            _serving(ca, "enrollment", enrollment_errors, _enrollment(peers))
        )
        peers.registration = PeerConfig(f"127.0.0.1:{registration}", "registration")
        peers.enrollment = PeerConfig(f"127.0.0.1:{enrollment}", "enrollment")
        yield


@asynccontextmanager
async def _serving(
    ca: DevelopmentCa, name: str, errors: Any, definitions: list[ServiceDefinition]
) -> AsyncIterator[int]:
    tls = ca.issue(name)
    server = GrpcServer(
        config=ServerConfig("127.0.0.1:0", tls, drain_wait_seconds=0.0, drain_grace_seconds=0.5),
        domain=name,
        error_enum=errors.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(TrustedKeys().get, SystemClock()),
    )
    port = await server.start()
    try:
        server.publish(definitions)
        await server.set_serving(True)
        yield port
    finally:
        await server.stop()


def _registration(peers: Peers) -> list[ServiceDefinition]:
    return [
        definition(accounts_grpc, accounts, "AccountService", _AccountRpc(peers)),
        definition(
            candidate_feed_grpc, candidate_feed, "CandidateFeedService", _CandidateFeedRpc(peers)
        ),
    ]


def _enrollment(peers: Peers) -> list[ServiceDefinition]:
    servicer = _EnrollmentFeedRpc(peers)
    return [definition(enrollment_feed_grpc, enrollment_feed, "EnrollmentFeedService", servicer)]


class _AccountRpc(accounts_grpc.AccountServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def ListSigningKeys(
        self, request: accounts.ListSigningKeysRequest, context: Any
    ) -> accounts.ListSigningKeysResponse:
        return accounts.ListSigningKeysResponse(
            keys=[
                accounts.SigningKey(key_id=key_id, public_key=key)
                for key_id, key in self._peers.signing_keys.items()
            ]
        )

    async def ListRevokedLogins(
        self, request: accounts.ListRevokedLoginsRequest, context: Any
    ) -> accounts.ListRevokedLoginsResponse:
        ends_at = time_to_pb(datetime.now(UTC) + timedelta(hours=2))
        return accounts.ListRevokedLoginsResponse(
            logins=[
                accounts.RevokedLogin(login_id=login_id, ends_at=ends_at)
                for login_id in self._peers.revoked_logins
            ]
        )

    async def _refuse(self, request: Any, context: Any) -> Any:
        raise DomainError(METHOD_NOT_PERMITTED)

    # Nothing else is asked for by the tickets service.
    CreateAccount = LogIn = _refuse


class _CandidateFeedRpc(candidate_feed_grpc.CandidateFeedServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def WatchCandidates(
        self, request: candidate_feed.WatchCandidatesRequest, context: Any
    ) -> AsyncIterator[candidate_feed.WatchCandidatesResponse]:
        position = int(request.cursor or 0)
        self._peers.candidate_watchers += 1
        try:
            while True:
                as_of = time_to_pb(datetime.now(UTC))
                new = self._peers.candidates[position:]
                events = [
                    candidate_feed.CandidateEvent(cursor=str(number), candidate=candidate)
                    for number, candidate in enumerate(new, start=position + 1)
                ]
                position += len(new)
                yield candidate_feed.WatchCandidatesResponse(events=events, as_of=as_of)
                await asyncio.sleep(HEARTBEAT_SECONDS)
        finally:
            self._peers.candidate_watchers -= 1

    async def GetCandidate(
        self, request: candidate_feed.GetCandidateRequest, context: Any
    ) -> candidate_feed.GetCandidateResponse:
        for candidate in reversed(self._peers.candidates):
            if candidate.candidate_id == request.candidate_id:
                return candidate_feed.GetCandidateResponse(candidate=candidate)
        raise DomainError(NOT_FOUND)

    async def BatchGetPhotos(
        self, request: candidate_feed.BatchGetPhotosRequest, context: Any
    ) -> candidate_feed.BatchGetPhotosResponse:
        self._peers.photos_asked += request.candidate_ids
        return candidate_feed.BatchGetPhotosResponse(
            photos=[
                candidate_feed.CandidatePhoto(candidate_id=key, jpeg=self._peers.photos[key])
                for key in request.candidate_ids
                if key in self._peers.photos
            ]
        )


class _EnrollmentFeedRpc(enrollment_feed_grpc.EnrollmentFeedServiceServicer):
    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    async def WatchEnrollments(
        self, request: enrollment_feed.WatchEnrollmentsRequest, context: Any
    ) -> AsyncIterator[enrollment_feed.WatchEnrollmentsResponse]:
        position = int(request.cursor or 0)
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            if self._peers.enrollment_is_silent:
                continue
            as_of = time_to_pb(datetime.now(UTC))
            new = self._peers.enrollments[position:]
            for number, event in enumerate(new, start=position + 1):
                event.cursor = str(number)
            position += len(new)
            yield enrollment_feed.WatchEnrollmentsResponse(events=new, as_of=as_of)
