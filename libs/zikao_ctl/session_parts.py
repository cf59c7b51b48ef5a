"""The session file's three parts, as the services' ApplySession takes them."""

from __future__ import annotations

from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment_rpc
from zikao.enrollment.v1 import session_service_pb2 as enrollment
from zikao.enrollment.v1 import types_pb2 as enrollment_types
from zikao.registration.v1 import session_service_pb2 as registration
from zikao.tickets.v1 import session_service_pb2 as tickets
from zikao_kit.convert import duration_to_pb, enum_to_pb, optional, time_to_pb

from zikao_ctl.session_model import Course, Room, SessionFile, Site, WaitingRoom, Window

_TRACK_TO_PB = {
    "social": enrollment_types.TRACK_SOCIAL,
    "applied": enrollment_types.TRACK_APPLIED,
}


def registration_to_pb(session: SessionFile) -> registration.RegistrationSession:
    """Registration's part: calendar, ticket numbers, counties, review.

    Profile changes take effect when the last sitting has ended.
    """
    calendar = session.calendar
    return registration.RegistrationSession(
        code=session.code,
        name=session.name,
        registration_opens_at=time_to_pb(calendar.registration.opens_at),
        registration_closes_at=time_to_pb(calendar.registration.closes_at),
        material_closes_at=time_to_pb(calendar.material_closes_at),
        review_closes_at=time_to_pb(calendar.review_closes_at),
        ticket_number_format=session.ticket_number.format,
        ticket_number_session=session.ticket_number.session,
        counties=[
            registration.RegistrationCounty(code=county.code, name=county.name)
            for county in session.counties
        ],
        activation=_window_to_pb(calendar.activation),
        profile_change=optional(calendar.profile_change, _window_to_pb),
        profile_changes_effective_at=optional(
            calendar.profile_change,
            lambda window: time_to_pb(max(window.closes_at, session.slots[-1].ends_at)),
        ),
        enrollment=[_window_to_pb(window) for window in calendar.enrollment.values()],
        four_eyes_percent=session.four_eyes_percent,
    )


def _window_to_pb(window: Window) -> registration.SessionWindow:
    return registration.SessionWindow(
        opens_at=time_to_pb(window.opens_at), closes_at=time_to_pb(window.closes_at)
    )


def enrollment_to_pb(session: SessionFile) -> enrollment.EnrollmentSession:
    """Enrollment's part: slots, courses, windows, seats, fee and limits."""
    return enrollment.EnrollmentSession(
        code=session.code,
        name=session.name,
        slots=[
            enrollment_rpc.Slot(
                number=number,
                starts_at=time_to_pb(slot.starts_at),
                ends_at=time_to_pb(slot.ends_at),
            )
            for number, slot in enumerate(session.slots, 1)
        ],
        courses=[_course_to_pb(course) for course in session.courses],
        windows=[
            enrollment_rpc.EnrollmentWindow(
                track=_TRACK_TO_PB[track],
                opens_at=time_to_pb(window.opens_at),
                closes_at=time_to_pb(window.closes_at),
                waiting_room=optional(window.waiting_room, _waiting_room_to_pb),
            )
            for track, window in session.calendar.enrollment.items()
        ],
        counties=[
            enrollment.CountyCapacity(code=county.code, name=county.name, seats=county.seats)
            for county in session.counties
        ],
        fee_fen=session.fee_fen,
        max_courses=session.max_courses,
        hold=duration_to_pb(session.hold),
        single_submission=session.policies.single_submission,
        dual_control=session.policies.dual_control,
    )


def tickets_to_pb(session: SessionFile) -> tickets.TicketsSession:
    """Tickets' part: printing, slots, courses' names, sites with rooms, notice."""
    # Who takes seats in the last minute may pay until the hold ends.
    last_close = max(window.closes_at for window in session.calendar.enrollment.values())
    county_names = {county.code: county.name for county in session.counties}
    return tickets.TicketsSession(
        code=session.code,
        name=session.name,
        time_zone=session.time_zone,
        arrangements_open_at=time_to_pb(last_close + session.hold),
        printing_opens_at=time_to_pb(session.calendar.printing.opens_at),
        printing_closes_at=time_to_pb(session.calendar.printing.closes_at),
        slots=[
            tickets.TicketSlot(
                number=number,
                starts_at=time_to_pb(slot.starts_at),
                ends_at=time_to_pb(slot.ends_at),
            )
            for number, slot in enumerate(session.slots, 1)
        ],
        courses=[
            tickets.TicketCourse(code=course.code, name=course.name) for course in session.courses
        ],
        sites=[site_to_pb(site, county_names[site.county_code]) for site in session.sites],
        notice=tickets.Notice(version=session.notice.version, paragraphs=session.notice.paragraphs),
        dual_control=session.policies.dual_control,
    )


def _waiting_room_to_pb(room: WaitingRoom) -> enrollment_rpc.WaitingRoom:
    return enrollment_rpc.WaitingRoom(
        opens_before=duration_to_pb(room.opens_before),
        pass_life=duration_to_pb(room.pass_life),
        max_per_second=room.max_per_second,
        quiet=duration_to_pb(room.quiet),
    )


def _course_to_pb(course: Course) -> enrollment_rpc.Course:
    return enrollment_rpc.Course(
        code=course.code,
        name=course.name,
        slot=course.slot,
        tracks=[_TRACK_TO_PB[track] for track in course.tracks],
    )


def site_to_pb(site: Site, county_name: str) -> tickets.Site:
    """A site as tickets takes it."""
    return tickets.Site(
        code=site.code,
        county_code=site.county_code,
        county_name=county_name,
        name=site.name,
        address=site.address,
        rooms=map(_room_to_pb, site.rooms),
    )


def _room_to_pb(room: Room) -> tickets.Room:
    return tickets.Room(
        code=room.code,
        columns=room.columns,
        rows=room.rows,
        layout=enum_to_pb(tickets.RoomLayout, "ROOM_LAYOUT_", room.layout),
        numbering=room.numbering,
        accessible=room.accessible,
        use=enum_to_pb(tickets.RoomUse, "ROOM_USE_", room.use),
    )
