"""Remaining seats for those who keep looking."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from zikao.enrollment.v1 import availability_service_pb2, availability_service_pb2_grpc

from zikao_enrollment.parts import Parts


class AvailabilityRpc(availability_service_pb2_grpc.AvailabilityServiceServicer):
    """Remaining seats for those who keep looking."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def WatchAvailability(
        self, request: availability_service_pb2.WatchAvailabilityRequest, context: Any
    ) -> AsyncIterator[availability_service_pb2.WatchAvailabilityResponse]:
        """The whole table, then what changes, and a heartbeat every second."""
        seen = self._parts.spectators.watch(request.session_code, request.county_prefix)
        async with aclosing(seen) as messages:
            async for message in messages:
                yield message
