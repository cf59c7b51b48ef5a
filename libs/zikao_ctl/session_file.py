"""The session file: one YAML file that describes an examination session (DOMAIN section 8).

`courses`, `counties`, `sites` and `rooms` are lists, or ``{csv: FILE}`` with the same keys as
columns and FILE found from the session file's folder. Times are local times of `time_zone`.
Without `sites` those that the offices have imported stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zikao_ctl.session_checks import check_session
from zikao_ctl.session_model import (
    TRACKS,
    Calendar,
    County,
    Course,
    Notice,
    Policies,
    SessionFile,
    Slot,
    TicketNumberRule,
    WaitingRoom,
    Window,
)
from zikao_ctl.session_reading import Problems, Section, SessionFileError, read_yaml
from zikao_ctl.site_reading import read_sites

_SESSION_CODE = (16, r"[!-~]{1,16}", "1 to 16 letters, digits and signs without spaces")
_COUNTY_CODE = (6, r"[0-9]{6}", "a 6-digit county code")
_COURSE_CODE = (5, r"[0-9]{5}", "a 5-digit course code")
_SESSION_DIGITS = (4, r"[0-9]{1,4}", "1 to 4 digits")
_MAX_SEATS = 1_000_000
# A ticket's page has room for so many sittings.
_MAX_COURSES = 8


def load_session_file(path: Path) -> SessionFile:
    """Read and check a session file.

    Raises SessionFileError with all problems at once, each with its path in the file.
    """
    problems = Problems()
    session = _read_session(Section(read_yaml(path), "", problems, path.parent))
    check_session(session, problems)
    if problems:
        raise SessionFileError(path, problems)
    return session


def _read_session(top: Section) -> SessionFile:
    time_zone = top.text("time_zone", 64)
    zone = _read_zone(time_zone, top)
    session = SessionFile(
        code=top.text("code", *_SESSION_CODE),
        name=top.text("name", 100),
        time_zone=time_zone,
        ticket_number=_read_ticket_number(top.section("ticket_number")),
        calendar=_read_calendar(top.section("calendar"), zone),
        slots=top.each("slots", lambda slot: _read_slot(slot, zone)),
        courses=top.each("courses", _read_course),
        counties=(),
        sites=read_sites(top),
        fee_fen=top.integer("fee_fen", 1, 1_000_000),
        max_courses=top.integer("max_courses", 1, _MAX_COURSES),
        hold=timedelta(minutes=top.integer("hold_minutes", 1, 24 * 60)),
        four_eyes_percent=top.integer("four_eyes_percent", 0, 100, absent=0),
        policies=_read_policies(top),
        notice=_read_notice(top.section("notice")),
    )
    slots = len(session.slots)
    counties = top.each("counties", lambda county: _read_county(county, slots))
    top.finish()
    return SessionFile(**{**vars(session), "counties": counties})


def _read_policies(top: Section) -> Policies:
    if not top.has("policies"):
        return Policies()
    section = top.section("policies")
    policies = Policies(section.flag("single_submission"), section.flag("dual_control"))
    section.finish()
    return policies


def _read_zone(name: str, top: Section) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        top.problems.note("time_zone", f"must be an IANA time zone, not {name!r}")
        return ZoneInfo("UTC")


def _read_ticket_number(section: Section) -> TicketNumberRule:
    length, pattern, form = _SESSION_DIGITS
    rule = TicketNumberRule(
        section.text("format", 100), section.text("session", length, pattern, form)
    )
    section.finish()
    return rule


def _read_calendar(section: Section, zone: ZoneInfo) -> Calendar:
    by_track = section.section("enrollment")
    enrollment = {track: _read_enrollment_window(by_track.section(track), zone) for track in TRACKS}
    calendar = Calendar(
        registration=_read_window(section.section("registration"), zone),
        material_closes_at=section.moment("material_closes", zone),
        review_closes_at=section.moment("review_closes", zone),
        enrollment=enrollment,
        printing=_read_window(section.section("printing"), zone),
        activation=_read_optional_window(section, "activation", zone) or _all_of(enrollment),
        profile_change=_read_optional_window(section, "profile_change", zone),
    )
    by_track.finish()
    section.finish()
    return calendar


def _all_of(windows: Mapping[str, Window]) -> Window:
    """From the first opening to the last closing."""
    return Window(
        min(window.opens_at for window in windows.values()),
        max(window.closes_at for window in windows.values()),
    )


def _read_optional_window(section: Section, key: str, zone: ZoneInfo) -> Window | None:
    return _read_window(section.section(key), zone) if section.has(key) else None


def _read_window(section: Section, zone: ZoneInfo) -> Window:
    window = Window(section.moment("opens", zone), section.moment("closes", zone))
    section.finish()
    return window


def _read_enrollment_window(section: Section, zone: ZoneInfo) -> Window:
    room = _read_room(section.section("waiting_room")) if section.has("waiting_room") else None
    return replace(_read_window(section, zone), waiting_room=room)


def _read_room(section: Section) -> WaitingRoom:
    room = WaitingRoom(
        opens_before=timedelta(minutes=section.integer("opens_before_minutes", 1, 1440, absent=30)),
        pass_life=timedelta(minutes=section.integer("pass_minutes", 1, 1440, absent=10)),
        max_per_second=section.integer("max_per_second", 0, 100_000, absent=0),
        quiet=timedelta(seconds=section.integer("quiet_seconds", 1, 86_400, absent=60)),
    )
    section.finish()
    return room


def _read_slot(section: Section, zone: ZoneInfo) -> Slot:
    return Slot(section.moment("starts", zone), section.moment("ends", zone))


def _read_course(section: Section) -> Course:
    tracks = section.words("tracks")
    if set(tracks) - set(TRACKS) or len(set(tracks)) < len(tracks):
        section.problems.note(section.at("tracks"), f"must be of {', '.join(TRACKS)}, each once")
    return Course(
        code=section.text("code", *_COURSE_CODE),
        name=section.text("name", 100),
        slot=section.integer("slot", 1, 64),
        tracks=tracks,
    )


def _read_county(section: Section, slots: int) -> County:
    return County(
        code=section.text("code", *_COUNTY_CODE),
        name=section.text("name", 50),
        seats=_read_seats(section, slots),
    )


def _read_seats(section: Section, slots: int) -> tuple[int, ...]:
    """Seats of every slot; one number alone counts for each of them."""
    words = section.words("seats")
    if not words:
        return ()
    seats = tuple(int(word) if re.fullmatch(r"[0-9]{1,7}", word) else -1 for word in words)
    if min(seats) < 0 or max(seats) > _MAX_SEATS:
        section.problems.note(section.at("seats"), f"must be numbers from 0 to {_MAX_SEATS}")
        return ()
    if len(seats) not in (1, slots) and slots:
        section.problems.note(section.at("seats"), f"must be 1 number, or {slots}: one a slot")
        return ()
    return seats * slots if len(seats) == 1 else seats


def _read_notice(section: Section) -> Notice:
    notice = Notice(section.integer("version", 1, 1_000_000), section.words("paragraphs"))
    if any(not 1 <= len(text) <= 1000 for text in notice.paragraphs):
        what = "must have 1 to 1000 characters each"
        section.problems.note(section.at("paragraphs"), what)
    section.finish()
    return notice
