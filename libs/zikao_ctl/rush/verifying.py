"""What candidates were told, compared with what the service tells them afterwards.

For deployments whose database is not ours to look into: each asks for their own orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import order_service_pb2 as ordering
from zikao.enrollment.v1 import order_service_pb2_grpc as ordering_grpc
from zikao.enrollment.v1 import types_pb2 as types
from zikao_client import CallFailed, new_request_id, patiently
from zikao_client.calls import PATIENCE_SECONDS
from zikao_kit.errors import NOT_NOW

from zikao_ctl.rush.submissions import ACCEPTED, Submission

T = TypeVar("T")

AT_ONCE = 16
CALL_SECONDS = 10.0
PAGE_SIZE = 100
CHECKS = "lost_acknowledgements", "unacknowledged_orders", "two_counties"
# Whose orders could not be had: nothing is known of them. Whose seats could not be given back.
UNSEEN, KEPT = "unseen", "kept"
_GIVEN_BACK = types.ORDER_STATE_RELEASED


class Orders:
    """The orders of candidates: those that there were before, and what came of the rehearsal.

    Methods return what a generator answers its parent.
    """

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub: enrollment_grpc.EnrollmentServiceAsyncStub
        self._stub = enrollment_grpc.EnrollmentServiceStub(channel)
        self._changes: ordering_grpc.OrderServiceAsyncStub = ordering_grpc.OrderServiceStub(channel)
        self._before: set[str] = set()
        self._patience_seconds = PATIENCE_SECONDS

    async def look(self, submissions: Iterable[Submission]) -> Mapping[str, list[str]]:
        """Note what there is before the rehearsal. Raises CallFailed."""

        async def note(submission: Submission) -> None:
            self._before |= {order.order_id for order in await self._of(submission)}

        await _for_each(submissions, note)
        return {}

    async def compare(self, submissions: Iterable[Submission]) -> Mapping[str, list[str]]:
        """Candidates whose orders are others, by the name of the check, and UNSEEN ones."""
        found: dict[str, list[str]] = {name: [] for name in (*CHECKS, UNSEEN)}

        async def ask(submission: Submission) -> None:
            for name in await self._wrong(submission):
                found[name].append(str(submission.candidate.candidate_id))

        await _for_each(submissions, ask)
        return found

    async def give_back(self, submissions: Iterable[Submission]) -> Mapping[str, list[str]]:
        """Cancel the orders that were told, and name those (KEPT) that could not be."""
        kept: list[str] = []

        async def cancel(submission: Submission) -> None:
            order_id = submission.order().order_id
            request = ordering.CancelOrderRequest(request_id=new_request_id(), order_id=order_id)
            metadata = submission.metadata
            try:
                await self._patiently(
                    lambda: self._changes.CancelOrder(
                        request, timeout=CALL_SECONDS, metadata=metadata
                    )
                )
            except CallFailed:
                kept.append(order_id)

        await _for_each((each for each in submissions if each.outcome == ACCEPTED), cancel)
        return {KEPT: kept}

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Where nobody answers for so long, not everybody need wait as long again."""
        try:
            return await patiently(call, self._patience_seconds)
        except CallFailed as failed:
            if failed.reason in NOT_NOW:
                self._patience_seconds = 0.0
            raise

    async def _wrong(self, submission: Submission) -> list[str]:
        try:
            orders = await self._of(submission)
        except CallFailed:
            return [UNSEEN]
        return list(wrong_orders(submission, orders, self._before))

    async def _of(self, submission: Submission) -> Sequence[types.Order]:
        request = enrollment.ListOrdersRequest(
            session_code=submission.session_code, page_size=PAGE_SIZE
        )
        metadata, orders = submission.metadata, list[types.Order]()
        while True:
            answer = await self._patiently(
                lambda: self._stub.ListOrders(request, timeout=CALL_SECONDS, metadata=metadata)
            )
            orders += answer.orders
            if not answer.next_page_token:
                return orders
            request.page_token = answer.next_page_token


def wrong_orders(
    submission: Submission, orders: Sequence[types.Order], before: set[str]
) -> Iterator[str]:
    """The checks that the orders of a candidate fail; `before`: ids of older ones."""
    holding = [order for order in orders if order.state != _GIVEN_BACK]
    if len({order.county_code for order in holding}) > 1:
        yield "two_counties"
    told = submission.order() if submission.outcome == ACCEPTED else types.Order()
    if told.order_id and not any(_is_same(told, order) for order in orders):
        yield "lost_acknowledgements"
    known = {told.order_id, *before}
    if not submission.doubtful and any(order.order_id not in known for order in orders):
        yield "unacknowledged_orders"


def _is_same(told: types.Order, order: types.Order) -> bool:
    return (
        told.order_id == order.order_id
        and told.county_code == order.county_code
        and [each.course_code for each in told.courses]
        == [each.course_code for each in order.courses]
    )


async def _for_each(
    submissions: Iterable[Submission], do: Callable[[Submission], Awaitable[None]]
) -> None:
    """Some at a time."""
    todo = iter(submissions)

    async def work() -> None:
        for submission in todo:
            await do(submission)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
