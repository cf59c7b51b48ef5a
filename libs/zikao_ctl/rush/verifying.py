"""What candidates were told, compared with what the service tells them afterwards.

For deployments whose database is not ours to look into: each asks for their own orders.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

import grpc
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao.enrollment.v1 import types_pb2 as types
from zikao_client import patiently

from zikao_ctl.rush.submissions import ACCEPTED, Submission

AT_ONCE = 16
MOST_ORDERS = 100
_GIVEN_BACK = types.ORDER_STATE_RELEASED


async def verify_all(
    channel: grpc.aio.Channel, submissions: Sequence[Submission]
) -> Mapping[str, list[str]]:
    """Candidates whose orders are others, by the name of the check. Raises CallFailed."""
    stub: enrollment_grpc.EnrollmentServiceAsyncStub
    stub = enrollment_grpc.EnrollmentServiceStub(channel)
    todo = iter(submissions)
    found: dict[str, list[str]] = {
        name: [] for name in ("lost_acknowledgements", "unacknowledged_orders", "two_counties")
    }

    async def work() -> None:
        for submission in todo:
            for name in _wrong(submission, await _orders(stub, submission)):
                found[name].append(str(submission.candidate.candidate_id))

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return found


async def _orders(
    stub: enrollment_grpc.EnrollmentServiceAsyncStub, submission: Submission
) -> Sequence[types.Order]:
    request = enrollment.ListOrdersRequest(
        session_code=submission.session_code, page_size=MOST_ORDERS
    )
    metadata = submission.metadata
    answer = await patiently(lambda: stub.ListOrders(request, metadata=metadata))
    return list(answer.orders)


def _wrong(submission: Submission, orders: Sequence[types.Order]) -> Iterator[str]:
    holding = [order for order in orders if order.state != _GIVEN_BACK]
    if len({order.county_code for order in holding}) > 1:
        yield "two_counties"
    if submission.outcome == ACCEPTED:
        told = submission.order()
        if not any(_is_same(told, order) for order in orders):
            yield "lost_acknowledgements"
    elif holding and not submission.doubtful:
        yield "unacknowledged_orders"


def _is_same(told: types.Order, order: types.Order) -> bool:
    return (
        told.order_id == order.order_id
        and told.county_code == order.county_code
        and [each.course_code for each in told.courses]
        == [each.course_code for each in order.courses]
    )
