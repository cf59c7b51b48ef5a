"""What offices do with applications."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import review_service_pb2, review_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Transaction

from zikao_registration.commands.decide_registration import decide_registration
from zikao_registration.commands.lease_registrations import lease_registrations
from zikao_registration.commands.view_material import view_material
from zikao_registration.convert import decision_from_pb, registration_to_pb, state_to_pb
from zikao_registration.parts import Parts


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

        response_type = review_service_pb2.LeaseRegistrationsResponse
        return await self._parts.run_once(request, response_type, work)

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

        response_type = review_service_pb2.DecideRegistrationResponse
        return await self._parts.run_once(request, response_type, work)
