"""What offices do to rooms and tickets, and second officers decide."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from zikao.tickets.v1 import office_service_pb2, office_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once
from zikao_kit.office_actions import list_actions
from zikao_kit.office_messages import action_filter_from_pb

from zikao_tickets.commands.decide_action import decide_action
from zikao_tickets.converts.offices import action_to_pb
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.stores.offices import office_actions


class OfficeRpc(office_service_pb2_grpc.OfficeServiceServicer):
    """What waits for a second officer."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def DecideOfficeAction(
        self, request: office_service_pb2.DecideOfficeActionRequest, context: Any
    ) -> office_service_pb2.DecideOfficeActionResponse:
        """Confirm a pending act, or reject it."""
        response_type = office_service_pb2.DecideOfficeActionResponse
        confirm = request.decision == office_service_pb2.OFFICE_DECISION_CONFIRM
        actor, now, action_id = current_actor(), self._parts.clock.now(), UUID(request.action_id)

        async def work(tx: Transaction) -> office_service_pb2.DecideOfficeActionResponse:
            store = self._parts.offices(tx)
            action = await decide_action(store, action_id, confirm=confirm, actor=actor, now=now)
            return response_type(action=action_to_pb(action, now))

        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

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
