"""What offices do to seats, to what is offered, and to refunds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast
from uuid import UUID, uuid4

from google.protobuf.message import Message
from zikao.enrollment.v1 import office_service_pb2, office_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once
from zikao_kit.office_actions import list_actions
from zikao_kit.office_messages import action_filter_from_pb

from zikao_enrollment.commands.decide_action import decide_action
from zikao_enrollment.commands.propose_action import propose_action
from zikao_enrollment.commands.propose_refund import propose_refund
from zikao_enrollment.converts.offices import (
    action_to_pb,
    capacities_from_pb,
    limit_from_pb,
)
from zikao_enrollment.domain.office_acts import Act, CloseEnrollment, OpenEnrollment, Proposal
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts
from zikao_enrollment.store import OfficeStore
from zikao_enrollment.stores.offices import office_actions

R = TypeVar("R", bound=Message)


class OfficeRpc(office_service_pb2_grpc.OfficeServiceServicer):
    """What offices do to seats, to what is offered, and to refunds."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ChangeCapacities(
        self, request: office_service_pb2.ChangeCapacitiesRequest, context: Any
    ) -> office_service_pb2.ChangeCapacitiesResponse:
        """Set the seats of counties and slots."""
        act = capacities_from_pb(request.capacities)
        return await self._propose(request, act, office_service_pb2.ChangeCapacitiesResponse)

    async def CloseEnrollment(
        self, request: office_service_pb2.CloseEnrollmentRequest, context: Any
    ) -> office_service_pb2.CloseEnrollmentResponse:
        """Take no new submissions any more."""
        act = CloseEnrollment(request.course_code, request.reason)
        return await self._propose(request, act, office_service_pb2.CloseEnrollmentResponse)

    async def OpenEnrollment(
        self, request: office_service_pb2.OpenEnrollmentRequest, context: Any
    ) -> office_service_pb2.OpenEnrollmentResponse:
        """Take a closing back."""
        act = OpenEnrollment(request.course_code)
        return await self._propose(request, act, office_service_pb2.OpenEnrollmentResponse)

    async def SetAdmissionRate(
        self, request: office_service_pb2.SetAdmissionRateRequest, context: Any
    ) -> office_service_pb2.SetAdmissionRateResponse:
        """Bound or hold what a waiting room lets in."""
        province, act = current_actor().scope, limit_from_pb(request.limit)
        proposal = Proposal(request.session_code, province, act)

        async def find(_: OfficeStore) -> Proposal:
            return proposal

        response_type = office_service_pb2.SetAdmissionRateResponse
        return await self._propose_found(request, find, response_type)

    async def RequestRefundAgain(
        self, request: office_service_pb2.RequestRefundAgainRequest, context: Any
    ) -> office_service_pb2.RequestRefundAgainResponse:
        """Let the platform be asked again for a refund."""
        refund_id, actor = UUID(request.refund_id), current_actor()
        sessions = self._parts.statements.sessions

        async def find(store: OfficeStore) -> Proposal:
            return await propose_refund(store.money, refund_id, sessions, actor)

        response_type = office_service_pb2.RequestRefundAgainResponse
        return await self._propose_found(request, find, response_type)

    async def DecideOfficeAction(
        self, request: office_service_pb2.DecideOfficeActionRequest, context: Any
    ) -> office_service_pb2.DecideOfficeActionResponse:
        """Confirm a pending act, or reject it."""
        response_type = office_service_pb2.DecideOfficeActionResponse
        confirm = request.decision == office_service_pb2.OFFICE_DECISION_CONFIRM
        actor, now = current_actor(), self._parts.clock.now()

        async def work(tx: Transaction) -> office_service_pb2.DecideOfficeActionResponse:
            action = await decide_action(
                OfficeStore(tx), UUID(request.action_id), confirm=confirm, actor=actor, now=now
            )
            return response_type(action=action_to_pb(action, now))

        return await self._change(request, response_type, work)

    async def ListOfficeActions(
        self, request: office_service_pb2.ListOfficeActionsRequest, context: Any
    ) -> office_service_pb2.ListOfficeActionsResponse:
        """Acts in an area, the newest first."""
        now = self._parts.clock.now()
        async with self._parts.db.read() as tx:
            actions, next_page_token = await list_actions(
                office_actions(tx),
                action_filter_from_pb(request),
                request.page_size,
                request.page_token,
                now,
            )
        return office_service_pb2.ListOfficeActionsResponse(
            actions=[action_to_pb(action, now) for action in actions],
            next_page_token=next_page_token,
        )

    async def _propose(self, request: Any, act: Act, response_type: type[R]) -> R:
        async def find(_: OfficeStore) -> Proposal:
            return Proposal(request.session_code, request.county_prefix, act)

        return await self._propose_found(request, find, response_type)

    async def _propose_found(
        self,
        request: Any,
        find: Callable[[OfficeStore], Awaitable[Proposal]],
        response_type: type[R],
    ) -> R:
        actor, now, action_id = current_actor(), self._parts.clock.now(), uuid4()
        lifetime = self._parts.office_action_lifetime

        async def work(tx: Transaction) -> R:
            store = OfficeStore(tx)
            proposal = await find(store)
            action = await propose_action(
                store, action_id, proposal, actor=actor, lifetime=lifetime, now=now
            )
            answer: R = cast(Any, response_type)(action=action_to_pb(action, now))
            return answer

        return await self._change(request, response_type, work)

    async def _change(
        self,
        request: Any,
        response_type: type[R],
        work: Callable[[Transaction], Awaitable[R]],
    ) -> R:
        """Do it once, and show it here at once; other processes see it within a second."""
        answer = await self._parts.office_door.act(
            current_actor().subject,
            lambda: run_once(self._parts.db, request, response_type, work, schema=SCHEMA),
        )
        await self._parts.boards.refresh()
        return answer
