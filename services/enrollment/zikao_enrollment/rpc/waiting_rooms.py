"""The waiting room before an opening."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from zikao.enrollment.v1 import types_pb2, waiting_room_service_pb2, waiting_room_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.convert import enum_from_pb
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.serialized import answered

from zikao_enrollment.converts.waiting import draw_to_pb, found_to_pb
from zikao_enrollment.domain.timetable import Track
from zikao_enrollment.domain.waiting import RoomKey
from zikao_enrollment.parts import Parts


class WaitingRoomRpc(waiting_room_service_pb2_grpc.WaitingRoomServiceServicer):
    """The waiting room before an opening."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def JoinWaitingRoom(
        self, request: waiting_room_service_pb2.JoinWaitingRoomRequest, context: Any
    ) -> waiting_room_service_pb2.JoinWaitingRoomResponse:
        """Come in: the candidate's one place."""
        candidate_id = UUID(current_actor().subject)
        answer = await self._parts.newcomers.with_candidate(
            candidate_id, lambda: self._parts.joining.join(request.session_code, candidate_id)
        )
        return answered(waiting_room_service_pb2.JoinWaitingRoomResponse, answer)

    async def GetPlace(
        self, request: waiting_room_service_pb2.GetPlaceRequest, context: Any
    ) -> waiting_room_service_pb2.GetPlaceResponse:
        """Say how the candidate's place stands."""
        candidate_id = UUID(current_actor().subject)
        shown = await self._parts.joining.place(request.session_code, candidate_id)
        return found_to_pb(*shown, self._parts.clock.now())

    async def GetDraw(
        self, request: waiting_room_service_pb2.GetDrawRequest, context: Any
    ) -> waiting_room_service_pb2.GetDrawResponse:
        """What an order is, or will be, drawn from."""
        track = Track(enum_from_pb(types_pb2.Track, "TRACK_", request.track))
        room = self._parts.rooms.rows.get(RoomKey(request.session_code, track))
        if room is None:
            raise DomainError(NOT_FOUND)
        return draw_to_pb(room)
