"""The waiting room as the contract says it."""

import random
from datetime import datetime

from google.protobuf.duration_pb2 import Duration
from zikao.enrollment.v1 import place_stream_service_pb2 as stream_pb
from zikao.enrollment.v1 import types_pb2
from zikao.enrollment.v1 import waiting_room_service_pb2 as pb
from zikao_kit.convert import duration_to_pb, enum_to_pb, optional, time_to_pb

from zikao_enrollment.converts.sessions import track_to_pb
from zikao_enrollment.domain.waiting import Place, Room, ask_again_after

_TRACK, _STATE = "TRACK_", "PLACE_STATE_"


def place_to_pb(place: Place, admission_pass: str) -> pb.Place:
    """A candidate's own place; "" is no pass."""
    return pb.Place(
        state=enum_to_pb(pb.PlaceState, _STATE, place.state),
        track=enum_to_pb(types_pb2.Track, _TRACK, place.track),
        number=place.number,
        admitted_until=place.admitted_until,
        estimated_wait=optional(place.estimated_wait, duration_to_pb),
        admission_pass=admission_pass,
        pass_expires_at=optional(place.expires_at, time_to_pb),
        opens_at=time_to_pb(place.opens_at),
    )


def joined_to_bytes(place: Place, admission_pass: str, now: datetime) -> bytes:
    """The answer to who has come in, as it goes over the wire."""
    answer = pb.JoinWaitingRoomResponse(
        place=place_to_pb(place, admission_pass), ask_again_after=_pause(place, now)
    )
    return answer.SerializeToString()


def found_to_pb(place: Place, admission_pass: str, now: datetime) -> pb.GetPlaceResponse:
    """The answer to who asks."""
    return pb.GetPlaceResponse(
        place=place_to_pb(place, admission_pass), ask_again_after=_pause(place, now)
    )


def draw_to_pb(room: Room) -> pb.GetDrawResponse:
    """What may be known of a draw: the commitment before it, everything after it."""
    answer = pb.GetDrawResponse(committed_sha256=room.committed_hash)
    if room.drawn_at is not None:
        answer.drawn_at.CopyFrom(time_to_pb(room.drawn_at))
        answer.committed = room.committed
        answer.fresh = room.fresh or b""
        answer.seed = room.seed or b""
        answer.drawn_count = room.drawn_count or 0
    return answer


def tick_to_pb(room: Room) -> stream_pb.QueueTick:
    """How far a room is, for all who wait in it."""
    return stream_pb.QueueTick(
        session_code=room.key.session_code,
        track=track_to_pb(room.key.track),
        admitted_until=room.admitted_until,
        last_number=room.last_number,
        per_second=0.0 if room.held else room.rate or 0.0,
        held=room.held,
    )


def _pause(place: Place, now: datetime) -> Duration | None:
    spread = random.random()  # noqa: S311 - it keeps people from asking all at once
    return optional(ask_again_after(place, now, spread), duration_to_pb)
