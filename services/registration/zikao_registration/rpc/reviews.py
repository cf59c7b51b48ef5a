"""What offices do with applications."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import review_service_pb2, review_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction
from zikao_kit.serialized import answered

from zikao_registration.commands.approve_registrations import approve_registrations
from zikao_registration.commands.decide_registrations import Proposal
from zikao_registration.commands.lease_registrations import (
    audit_repeated_lease,
    lease_registrations,
    release_leases,
)
from zikao_registration.commands.view_material import view_material
from zikao_registration.converts.registrations import registration_to_pb
from zikao_registration.converts.reviews import approval_to_pb, decision_from_pb
from zikao_registration.decision_desk import Entry
from zikao_registration.parts import Parts


class ReviewRpc(review_service_pb2_grpc.ReviewServiceServicer):
    """The office's work and decisions."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def LeaseRegistrations(
        self, request: review_service_pb2.LeaseRegistrationsRequest, context: Any
    ) -> review_service_pb2.LeaseRegistrationsResponse:
        """Take pending registrations from the list."""
        response_type = review_service_pb2.LeaseRegistrationsResponse
        leased_now = False

        async def work(tx: Transaction) -> review_service_pb2.LeaseRegistrationsResponse:
            nonlocal leased_now
            leased_now, now, count = True, self._parts.clock.now(), request.max_count
            reviews, until, actor = (
                self._parts.reviews(tx),
                now + self._parts.lease,
                current_actor(),
            )
            leased = await lease_registrations(
                reviews, request.county_code, count, until=until, actor=actor, now=now
            )
            registrations = [registration_to_pb(each) for each in leased]
            return response_type(registrations=registrations, leased_until=time_to_pb(until))

        answer = await self._parts.run_once(request, response_type, work)
        if not leased_now:
            await self._audit_again(answer)
        return answer

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
        """Approve or reject, together with what others decide now."""
        decision = decision_from_pb(request, self._parts.clock.now())
        proposal = Proposal(UUID(request.candidate_id), decision, current_actor())
        key = self._parts.answers.key_of(request)
        answer = await self._parts.decisions.submit(key, Entry(key, proposal))
        return answered(review_service_pb2.DecideRegistrationResponse, answer)

    async def ApproveRegistrations(
        self, request: review_service_pb2.ApproveRegistrationsRequest, context: Any
    ) -> review_service_pb2.ApproveRegistrationsResponse:
        """Approve many."""
        response_type = review_service_pb2.ApproveRegistrationsResponse
        candidate_ids = [UUID(candidate_id) for candidate_id in request.candidate_ids]

        async def work(tx: Transaction) -> review_service_pb2.ApproveRegistrationsResponse:
            reviews, now = self._parts.reviews(tx), self._parts.clock.now()
            outcomes = await approve_registrations(
                reviews, candidate_ids, actor=current_actor(), now=now
            )
            pairs = zip(candidate_ids, outcomes, strict=True)
            return response_type(results=[approval_to_pb(*pair) for pair in pairs])

        return await self._parts.run_once(request, response_type, work)

    async def ReleaseLeases(
        self, request: review_service_pb2.ReleaseLeasesRequest, context: Any
    ) -> review_service_pb2.ReleaseLeasesResponse:
        """Give work back."""
        response_type = review_service_pb2.ReleaseLeasesResponse
        candidate_ids = [UUID(candidate_id) for candidate_id in request.candidate_ids]

        async def work(tx: Transaction) -> review_service_pb2.ReleaseLeasesResponse:
            reviews, now = self._parts.reviews(tx), self._parts.clock.now()
            released = await release_leases(reviews, candidate_ids, actor=current_actor(), now=now)
            return response_type(candidate_ids=map(str, released))

        return await self._parts.run_once(request, response_type, work)

    async def _audit_again(self, answer: review_service_pb2.LeaseRegistrationsResponse) -> None:
        """A stored answer shows the registrations in full once more."""
        shown = [UUID(each.candidate_id) for each in answer.registrations]
        async with self._parts.db.transaction() as tx:
            store, now = self._parts.store(tx), self._parts.clock.now()
            await audit_repeated_lease(store, shown, actor=current_actor(), now=now)
