"""What offices see of their work."""

from typing import Any
from uuid import UUID

from zikao.registration.v1 import work_list_service_pb2, work_list_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import time_to_pb

from zikao_registration.commands.count_reviews import count_reviews
from zikao_registration.commands.list_registrations import list_registrations
from zikao_registration.commands.view_registration import view_registration
from zikao_registration.converts.reviews import (
    place_from_token,
    place_to_token,
    queue_filter_from_pb,
    review_to_pb,
    statistics_to_pb,
    summary_to_pb,
)
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts


class WorkListRpc(work_list_service_pb2_grpc.WorkListServiceServicer):
    """Lists, full views and counts."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListRegistrations(
        self, request: work_list_service_pb2.ListRegistrationsRequest, context: Any
    ) -> work_list_service_pb2.ListRegistrationsResponse:
        """A page, masked."""
        actor, now = current_actor(), self._parts.clock.now()
        tokens = PageTokens(self._parts.keys, request)
        wanted, token = queue_filter_from_pb(request, now), tokens.read()
        after = place_from_token(token) if token else None
        async with self._parts.db.transaction() as tx:
            lists, size = self._parts.work_lists(tx), request.page_size
            page = await list_registrations(lists, wanted, after, size, actor=actor, now=now)
        officer_id, following = UUID(actor.subject), page.next_place
        return work_list_service_pb2.ListRegistrationsResponse(
            registrations=[summary_to_pb(each, officer_id, now) for each in page.registrations],
            next_page_token=tokens.make(place_to_token(following)) if following else "",
        )

    async def GetRegistrationForReview(
        self, request: work_list_service_pb2.GetRegistrationForReviewRequest, context: Any
    ) -> work_list_service_pb2.GetRegistrationForReviewResponse:
        """One in full."""
        actor, now = current_actor(), self._parts.clock.now()
        async with self._parts.db.transaction() as tx:
            reviews, candidate_id = self._parts.reviews(tx), UUID(request.candidate_id)
            found, decisions = await view_registration(reviews, candidate_id, actor=actor, now=now)
        return review_to_pb(found, decisions, UUID(actor.subject), now)

    async def GetReviewStatistics(
        self, request: work_list_service_pb2.GetReviewStatisticsRequest, context: Any
    ) -> work_list_service_pb2.GetReviewStatisticsResponse:
        """How the work goes."""
        now, area = self._parts.clock.now(), request.county_code
        async with self._parts.db.transaction(read_only=True) as tx:
            lists, code = self._parts.work_lists(tx), request.session_code
            counted = await count_reviews(lists, code, area, actor=current_actor(), now=now)
        overdue = counted.is_overdue
        return work_list_service_pb2.GetReviewStatisticsResponse(
            counties=[statistics_to_pb(each, is_overdue=overdue) for each in counted.counties],
            as_of=time_to_pb(now),
        )
