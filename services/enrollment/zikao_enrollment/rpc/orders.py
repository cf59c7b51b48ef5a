"""What a candidate may do with an order before it is paid."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf.message import Message
from zikao.enrollment.v1 import order_service_pb2, order_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.idempotency import key_of, recall
from zikao_kit.serialized import answered

from zikao_enrollment.converts.orders import choice_from_pb
from zikao_enrollment.domain.wishes import Cancellation, Change, Wish
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts
from zikao_enrollment.seats.desk import Entry

R = TypeVar("R", bound=Message)


class OrderRpc(order_service_pb2_grpc.OrderServiceServicer):
    """What a candidate may do with an order before it is paid."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ChangeOrder(
        self, request: order_service_pb2.ChangeOrderRequest, context: Any
    ) -> order_service_pb2.ChangeOrderResponse:
        """Take other courses or another county."""
        order_id, candidate_id = UUID(request.order_id), UUID(current_actor().subject)
        choice = choice_from_pb(request.choice)

        async def change() -> Wish:
            await self._parts.withdrawals.before_changing(order_id, candidate_id, choice)
            return Change(order_id, candidate_id, choice)

        return await self._decide(request, order_service_pb2.ChangeOrderResponse, change)

    async def CancelOrder(
        self, request: order_service_pb2.CancelOrderRequest, context: Any
    ) -> order_service_pb2.CancelOrderResponse:
        """Give the seats of an unpaid order back."""
        order_id, candidate_id = UUID(request.order_id), UUID(current_actor().subject)

        async def cancel() -> Wish:
            closed = await self._parts.withdrawals.before_cancelling(order_id, candidate_id)
            return Cancellation(order_id, candidate_id, closed)

        return await self._decide(request, order_service_pb2.CancelOrderResponse, cancel)

    async def _decide(
        self, request: Any, response_type: type[R], prepare: Callable[[], Awaitable[Wish]]
    ) -> R:
        """Prepare the wish unless the request has been answered, and have it decided."""
        key = key_of(request)
        async with self._parts.db.read() as tx:
            answer = await recall(tx, SCHEMA, key)
        if answer is None:
            entry = Entry(key, None, await prepare(), response_type)
            answer = await self._parts.submitting.decide(entry)
        return answered(response_type, answer)
