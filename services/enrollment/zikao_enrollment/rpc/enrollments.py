"""The candidate's way to seats: look, plan, submit, pay."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import enrollment_service_pb2, enrollment_service_pb2_grpc
from zikao_kit.context import current_actor, current_admission_pass
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once
from zikao_kit.serialized import answered

from zikao_enrollment.commands.list_orders import list_orders
from zikao_enrollment.commands.save_plan import save_plan
from zikao_enrollment.converts.orders import choice_from_pb, order_to_pb
from zikao_enrollment.converts.portals import SubmitRequest
from zikao_enrollment.domain.choices import Plan
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts
from zikao_enrollment.store import Store


class EnrollmentRpc(enrollment_service_pb2_grpc.EnrollmentServiceServicer):
    """The candidate's way to seats: look, plan, submit, pay."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetTimetable(
        self, request: enrollment_service_pb2.GetTimetableRequest, context: Any
    ) -> enrollment_service_pb2.GetTimetableResponse:
        """The session's slots, courses, windows and fee."""
        return self._parts.showcase.timetable(request.session_code)

    async def GetAvailability(
        self, request: enrollment_service_pb2.GetAvailabilityRequest, context: Any
    ) -> enrollment_service_pb2.GetAvailabilityResponse:
        """Seats per county and slot, from memory."""
        return self._parts.showcase.availability(request.session_code, request.county_prefix)

    async def SavePlan(
        self, request: enrollment_service_pb2.SavePlanRequest, context: Any
    ) -> enrollment_service_pb2.SavePlanResponse:
        """Save courses and ranked counties for the opening."""
        session = self._parts.boards.current.require(request.session_code).session
        plan = Plan(choice_from_pb(request.choice), request.may_move_on_late_payment)
        candidate_id = UUID(current_actor().subject)
        response_type = enrollment_service_pb2.SavePlanResponse

        async def work(tx: Transaction) -> enrollment_service_pb2.SavePlanResponse:
            now = self._parts.clock.now()
            return response_type(
                fee_fen=await save_plan(Store(tx), session, candidate_id, plan, now)
            )

        return await self._parts.newcomers.with_candidate(
            candidate_id,
            lambda: run_once(self._parts.db, request, response_type, work, schema=SCHEMA),
        )

    async def SubmitPlan(
        self, request: enrollment_service_pb2.SubmitPlanRequest, context: Any
    ) -> enrollment_service_pb2.SubmitPlanResponse:
        """Take the seats of the saved plan."""
        return answered(enrollment_service_pb2.SubmitPlanResponse, await self._submit(request))

    async def SubmitEnrollment(
        self, request: enrollment_service_pb2.SubmitEnrollmentRequest, context: Any
    ) -> enrollment_service_pb2.SubmitEnrollmentResponse:
        """Take seats for the courses and counties given."""
        response_type = enrollment_service_pb2.SubmitEnrollmentResponse
        return answered(response_type, await self._submit(request))

    def _submit(self, request: SubmitRequest) -> Awaitable[bytes]:
        submitting, shown = self._parts.submitting, current_admission_pass()
        return submitting.submit(submitting.entry_of(request, current_actor().subject, shown))

    async def ListOrders(
        self, request: enrollment_service_pb2.ListOrdersRequest, context: Any
    ) -> enrollment_service_pb2.ListOrdersResponse:
        """The candidate's orders of a session, the newest first."""
        async with self._parts.db.read() as tx:
            page = await list_orders(
                Store(tx),
                request.session_code,
                UUID(current_actor().subject),
                request.page_size,
                request.page_token,
            )
        return enrollment_service_pb2.ListOrdersResponse(
            orders=[order_to_pb(order, refunds) for order, refunds in page.orders],
            next_page_token=page.next_page_token,
        )

    async def CreatePayment(
        self, request: enrollment_service_pb2.CreatePaymentRequest, context: Any
    ) -> enrollment_service_pb2.CreatePaymentResponse:
        """Open a payment order at the platform and return its code."""
        return await self._parts.payments.open(request, UUID(current_actor().subject))
