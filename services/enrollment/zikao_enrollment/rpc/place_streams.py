"""Candidates, and portals for many of them, watch places in waiting rooms."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import (
    errors_pb2,
    place_stream_service_pb2,
    place_stream_service_pb2_grpc,
)
from zikao_kit.context import current_actor
from zikao_kit.error_table import ErrorTable

from zikao_enrollment.parts import Parts
from zikao_enrollment.rpc.place_exchange import PlaceExchange


class PlaceStreamRpc(place_stream_service_pb2_grpc.PlaceStreamServiceServicer):
    """Candidates, and portals for many of them, watch places in waiting rooms."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._errors = ErrorTable.from_enums(errors_pb2.ErrorReason.DESCRIPTOR)

    async def WatchPlace(
        self, request: place_stream_service_pb2.WatchPlaceRequest, context: Any
    ) -> AsyncIterator[place_stream_service_pb2.WatchPlaceResponse]:
        """A candidate's place, ticks, and the pass."""
        self._parts.boards.fresh()
        candidate_id = UUID(current_actor().subject)
        # The place may be one that another process has just given.
        await self._parts.joining.place(request.session_code, candidate_id)
        seen = self._parts.onlookers.watch(request.session_code, candidate_id)
        async with aclosing(seen) as messages:
            async for message in messages:
                yield message

    async def WatchPlaces(
        self,
        request_iterator: AsyncIterator[place_stream_service_pb2.WatchPlacesRequest],
        context: Any,
    ) -> AsyncIterator[place_stream_service_pb2.WatchPlacesResponse]:
        """The places of many candidates, ticks, and the passes."""
        self._parts.boards.fresh()
        exchange = PlaceExchange(self._parts, self._errors)
        async with aclosing(exchange.answers_to(request_iterator)) as answers:
            async for answer in answers:
                yield answer
