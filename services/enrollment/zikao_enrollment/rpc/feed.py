"""What other systems learn about enrollments."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from zikao.enrollment.v1 import enrollment_feed_service_pb2, enrollment_feed_service_pb2_grpc
from zikao_kit.convert import time_to_pb
from zikao_kit.feed import stream_feed

from zikao_enrollment.converts.orders import event_to_pb
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts


class FeedRpc(enrollment_feed_service_pb2_grpc.EnrollmentFeedServiceServicer):
    """What other systems learn about enrollments."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def WatchEnrollments(
        self, request: enrollment_feed_service_pb2.WatchEnrollmentsRequest, context: Any
    ) -> AsyncIterator[enrollment_feed_service_pb2.WatchEnrollmentsResponse]:
        """Every change after a cursor, then new ones as they come."""
        async with aclosing(stream_feed(self._parts.db, SCHEMA, request.cursor)) as pages:
            async for page in pages:
                yield enrollment_feed_service_pb2.WatchEnrollmentsResponse(
                    events=[event_to_pb(row) for row in page.rows],
                    as_of=time_to_pb(page.as_of),
                )
