"""The gRPC methods of offices, other services and the operator: protobuf in, protobuf out."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from zikao.registration.v1 import (
    candidate_feed_service_pb2,
    candidate_feed_service_pb2_grpc,
    review_service_pb2,
    review_service_pb2_grpc,
    session_service_pb2,
    session_service_pb2_grpc,
)
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.feed import stream_feed

from zikao_registration.commands.apply_session import apply_session
from zikao_registration.commands.decide_registration import decide_registration
from zikao_registration.commands.find_candidate import find_candidate
from zikao_registration.commands.lease_registrations import lease_registrations
from zikao_registration.commands.view_material import view_material
from zikao_registration.convert import (
    candidate_to_pb,
    decision_from_pb,
    event_to_pb,
    registration_to_pb,
    session_from_pb,
    state_to_pb,
    time_to_pb,
)
from zikao_registration.parts import Parts
from zikao_registration.store import SCHEMA, open_event


class ReviewRpc(review_service_pb2_grpc.ReviewServiceServicer):
    """The office's work list and decisions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def LeaseRegistrations(
        self, request: review_service_pb2.LeaseRegistrationsRequest, context: Any
    ) -> review_service_pb2.LeaseRegistrationsResponse:
        """Take pending registrations from the list."""

        async def work(tx: Transaction) -> review_service_pb2.LeaseRegistrationsResponse:
            now, count = self._parts.clock.now(), request.max_count
            store, until, actor = self._parts.store(tx), now + self._parts.lease, current_actor()
            leased = await lease_registrations(
                store, request.county_code, count, until=until, actor=actor, now=now
            )
            return review_service_pb2.LeaseRegistrationsResponse(
                registrations=[registration_to_pb(each) for each in leased],
                leased_until=time_to_pb(until),
            )

        response = review_service_pb2.LeaseRegistrationsResponse
        return await self._parts.run_once(request, response, work)

    async def GetReviewMaterial(
        self, request: review_service_pb2.GetReviewMaterialRequest, context: Any
    ) -> review_service_pb2.GetReviewMaterialResponse:
        """The pictures of a leased registration."""
        async with self._parts.db.transaction() as tx:
            found = await view_material(
                self._parts.store(tx),
                UUID(request.candidate_id),
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
        return review_service_pb2.GetReviewMaterialResponse(
            photo_jpeg=found.photo,
            identity_material_jpeg=found.material,
            identity_material_name=found.file_name,
        )

    async def DecideRegistration(
        self, request: review_service_pb2.DecideRegistrationRequest, context: Any
    ) -> review_service_pb2.DecideRegistrationResponse:
        """Approve or reject."""

        async def work(tx: Transaction) -> review_service_pb2.DecideRegistrationResponse:
            decision = decision_from_pb(request, self._parts.clock.now())
            candidate_id = UUID(request.candidate_id)
            decided = await decide_registration(
                self._parts.store(tx), candidate_id, decision, actor=current_actor()
            )
            return review_service_pb2.DecideRegistrationResponse(
                state=state_to_pb(decided.state), ticket_number=decided.ticket_number
            )

        response = review_service_pb2.DecideRegistrationResponse
        return await self._parts.run_once(request, response, work)


class CandidateFeedRpc(candidate_feed_service_pb2_grpc.CandidateFeedServiceServicer):
    """What other services learn about candidates."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def WatchCandidates(
        self, request: candidate_feed_service_pb2.WatchCandidatesRequest, context: Any
    ) -> AsyncIterator[candidate_feed_service_pb2.WatchCandidatesResponse]:
        """Every change after a cursor, without an end."""
        async with aclosing(stream_feed(self._parts.db, SCHEMA, request.cursor)) as pages:
            async for page in pages:
                yield candidate_feed_service_pb2.WatchCandidatesResponse(
                    events=[
                        event_to_pb(row, open_event(self._parts.keys, row)) for row in page.rows
                    ],
                    as_of=time_to_pb(page.as_of),
                )

    async def GetCandidate(
        self, request: candidate_feed_service_pb2.GetCandidateRequest, context: Any
    ) -> candidate_feed_service_pb2.GetCandidateResponse:
        """One candidate's state now."""
        async with self._parts.db.read() as tx:
            found = await find_candidate(self._parts.store(tx), UUID(request.candidate_id))
        return candidate_feed_service_pb2.GetCandidateResponse(candidate=candidate_to_pb(found))

    async def BatchGetPhotos(
        self, request: candidate_feed_service_pb2.BatchGetPhotosRequest, context: Any
    ) -> candidate_feed_service_pb2.BatchGetPhotosResponse:
        """Photos of candidates."""
        candidate_ids = [UUID(candidate_id) for candidate_id in request.candidate_ids]
        async with self._parts.db.read() as tx:
            photos = await self._parts.store(tx).get_photos(candidate_ids)
        return candidate_feed_service_pb2.BatchGetPhotosResponse(
            photos=[
                candidate_feed_service_pb2.CandidatePhoto(candidate_id=str(key), jpeg=jpeg)
                for key, jpeg in photos.items()
            ]
        )


class SessionRpc(session_service_pb2_grpc.SessionServiceServicer):
    """Registration's part of the session file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ApplySession(
        self, request: session_service_pb2.ApplySessionRequest, context: Any
    ) -> session_service_pb2.ApplySessionResponse:
        """Make a session what the file says."""

        async def work(tx: Transaction) -> session_service_pb2.ApplySessionResponse:
            changes = await apply_session(
                self._parts.store(tx),
                session_from_pb(request.session),
                dry_run=request.dry_run,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return session_service_pb2.ApplySessionResponse(changes=changes)

        response = session_service_pb2.ApplySessionResponse
        return await self._parts.run_once(request, response, work)
