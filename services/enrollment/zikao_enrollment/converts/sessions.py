"""Sessions and their seats."""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.json_format import MessageToJson, Parse
from zikao.enrollment.v1 import (
    availability_service_pb2,
    enrollment_service_pb2,
    session_service_pb2,
    types_pb2,
)
from zikao_kit.convert import duration_to_pb, enum_from_pb, enum_to_pb, time_from_pb, time_to_pb

from zikao_enrollment.domain.board import SeatRow
from zikao_enrollment.domain.closings import Closed
from zikao_enrollment.domain.timetable import (
    County,
    Course,
    Policies,
    Session,
    Slot,
    Track,
    WaitingRoom,
    Window,
)

_TRACK = "TRACK_"


def session_from_pb(message: session_service_pb2.EnrollmentSession) -> Session:
    """Enrollment's settings of a session."""
    return Session(
        code=message.code,
        name=message.name,
        slots=tuple(
            Slot(slot.number, time_from_pb(slot.starts_at), time_from_pb(slot.ends_at))
            for slot in message.slots
        ),
        courses=tuple(_course_from_pb(course) for course in message.courses),
        windows=tuple(_window_from_pb(window) for window in message.windows),
        counties=tuple(
            County(county.code, county.name, tuple(county.seats)) for county in message.counties
        ),
        fee_fen=message.fee_fen,
        max_courses=message.max_courses,
        hold=message.hold.ToTimedelta(),
        policies=Policies(message.single_submission, message.dual_control),
    )


def session_to_pb(session: Session) -> session_service_pb2.EnrollmentSession:
    """The same as message."""
    return session_service_pb2.EnrollmentSession(
        code=session.code,
        name=session.name,
        slots=[slot_to_pb(slot) for slot in session.slots],
        courses=[course_to_pb(course) for course in session.courses],
        windows=[window_to_pb(window) for window in session.windows],
        counties=[
            session_service_pb2.CountyCapacity(
                code=county.code, name=county.name, seats=county.seats
            )
            for county in session.counties
        ],
        fee_fen=session.fee_fen,
        max_courses=session.max_courses,
        hold=duration_to_pb(session.hold),
        single_submission=session.policies.single_submission,
        dual_control=session.policies.dual_control,
    )


def session_to_json(session: Session) -> str:
    """A session as it is stored: its message in protobuf's JSON."""
    return MessageToJson(session_to_pb(session), indent=None, ensure_ascii=False)


def session_from_json(body: str) -> Session:
    """A session as it was stored; what a newer version has added is passed over."""
    message = session_service_pb2.EnrollmentSession()
    return session_from_pb(Parse(body, message, ignore_unknown_fields=True))


def slot_to_pb(slot: Slot) -> enrollment_service_pb2.Slot:
    """One half-day sitting."""
    return enrollment_service_pb2.Slot(
        number=slot.number, starts_at=time_to_pb(slot.starts_at), ends_at=time_to_pb(slot.ends_at)
    )


def course_to_pb(course: Course) -> enrollment_service_pb2.Course:
    """One course."""
    tracks = [track_to_pb(track) for track in sorted(course.tracks)]
    return enrollment_service_pb2.Course(
        code=course.code, name=course.name, slot=course.slot, tracks=tracks
    )


def window_to_pb(window: Window) -> enrollment_service_pb2.EnrollmentWindow:
    """When a track may enroll."""
    return enrollment_service_pb2.EnrollmentWindow(
        track=track_to_pb(window.track),
        opens_at=time_to_pb(window.opens_at),
        closes_at=time_to_pb(window.closes_at),
        waiting_room=_room_to_pb(window.waiting_room) if window.waiting_room else None,
    )


def timetable_to_pb(session: Session) -> enrollment_service_pb2.GetTimetableResponse:
    """What a session offers."""
    courses = sorted(session.courses, key=lambda course: course.code)
    return enrollment_service_pb2.GetTimetableResponse(
        slots=[slot_to_pb(slot) for slot in session.slots],
        courses=[course_to_pb(course) for course in courses],
        windows=[window_to_pb(window) for window in session.windows],
        fee_fen=session.fee_fen,
        max_courses=session.max_courses,
        closings=[closing_to_pb(*each) for each in sorted(session.closings.items())],
    )


def closing_to_pb(closed: Closed, reason: str) -> types_pb2.Closing:
    """What an office has closed."""
    return types_pb2.Closing(
        county_prefix=closed.county_prefix, course_code=closed.course_code, reason=reason
    )


def availability_to_pb(
    rows: Iterable[SeatRow], as_of: datetime, next_release_at: datetime | None
) -> enrollment_service_pb2.GetAvailabilityResponse:
    """Seats as of one moment."""
    return enrollment_service_pb2.GetAvailabilityResponse(
        seats=map(_seats_to_pb, rows),
        as_of=time_to_pb(as_of),
        next_release_at=time_to_pb(next_release_at) if next_release_at else None,
    )


def availability_change_to_pb(
    rows: Iterable[SeatRow], as_of: datetime, next_release_at: datetime | None, *, full: bool
) -> availability_service_pb2.WatchAvailabilityResponse:
    """All seats as of one moment, or those that have changed by then."""
    return availability_service_pb2.WatchAvailabilityResponse(
        full=full,
        seats=map(_seats_to_pb, rows),
        as_of=time_to_pb(as_of),
        next_release_at=time_to_pb(next_release_at) if next_release_at else None,
    )


def _seats_to_pb(row: SeatRow) -> enrollment_service_pb2.SeatCount:
    key, count = row
    return enrollment_service_pb2.SeatCount(
        county_code=key.county_code,
        slot=key.slot,
        capacity=count.capacity,
        held=count.held,
        confirmed=count.confirmed,
        free=count.free,
    )


def _course_from_pb(message: enrollment_service_pb2.Course) -> Course:
    tracks = frozenset(track_from_pb(track) for track in message.tracks)
    return Course(message.code, message.name, message.slot, tracks)


def _window_from_pb(message: enrollment_service_pb2.EnrollmentWindow) -> Window:
    opens_at, closes_at = time_from_pb(message.opens_at), time_from_pb(message.closes_at)
    room = _room_from_pb(message.waiting_room) if message.HasField("waiting_room") else None
    return Window(track_from_pb(message.track), opens_at, closes_at, room)


def _room_to_pb(room: WaitingRoom) -> enrollment_service_pb2.WaitingRoom:
    return enrollment_service_pb2.WaitingRoom(
        opens_before=duration_to_pb(room.opens_before),
        pass_life=duration_to_pb(room.pass_life),
        max_per_second=room.max_per_second,
        quiet=duration_to_pb(room.quiet),
    )


def _room_from_pb(message: enrollment_service_pb2.WaitingRoom) -> WaitingRoom:
    return WaitingRoom(
        message.opens_before.ToTimedelta(),
        message.pass_life.ToTimedelta(),
        message.max_per_second,
        message.quiet.ToTimedelta(),
    )


def track_from_pb(number: int) -> Track:
    """A track."""
    return Track(enum_from_pb(types_pb2.Track, _TRACK, number))


def track_to_pb(track: Track) -> "types_pb2.Track.ValueType":
    """A track as a contract says it."""
    number: types_pb2.Track.ValueType = enum_to_pb(types_pb2.Track, _TRACK, track)
    return number
