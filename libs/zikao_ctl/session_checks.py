"""What must agree within a session file, beyond the form of each value."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from zikao_ctl.session_model import SessionFile, Window
from zikao_ctl.session_reading import UNREAD_MOMENT, Problems

_PLACES = re.compile(r"\{(city|county|session|serial):([1-9])\}")
_TICKET_NUMBER_DIGITS = 12


def check_session(session: SessionFile, problems: Problems) -> None:
    """Note everything in the file that contradicts something else in it."""
    _check_calendar(session, problems)
    _check_slots(session, problems)
    _check_ticket_number(session, problems)
    for key, codes in (
        ("courses", (course.code for course in session.courses)),
        ("counties", (county.code for county in session.counties)),
        ("sites", (site.code for site in session.sites)),
    ):
        _check_unique(key, codes, problems)
    _check_courses(session, problems)
    _check_rooms(session, problems)


def _check_calendar(session: SessionFile, problems: Problems) -> None:
    calendar = session.calendar
    windows = {"registration": calendar.registration, "printing": calendar.printing}
    windows |= {f"enrollment.{track}": window for track, window in calendar.enrollment.items()}
    windows |= {"activation": calendar.activation}
    if calendar.profile_change:
        windows |= {"profile_change": calendar.profile_change}
    for key, window in windows.items():
        _check_window(f"calendar.{key}", window, problems)
    _check_order(
        ("registration.closes", calendar.registration.closes_at),
        ("material_closes", calendar.material_closes_at),
        problems,
    )
    _check_order(
        ("material_closes", calendar.material_closes_at),
        ("review_closes", calendar.review_closes_at),
        problems,
    )
    for track, window in calendar.enrollment.items():
        _check_order(
            (f"enrollment.{track}.closes", window.closes_at),
            ("printing.opens", calendar.printing.opens_at),
            problems,
        )


def _check_window(path: str, window: Window, problems: Problems) -> None:
    if _read(window.opens_at, window.closes_at) and window.opens_at >= window.closes_at:
        problems.note(path, "must open before it closes")


def _check_order(
    first: tuple[str, datetime], second: tuple[str, datetime], problems: Problems
) -> None:
    if _read(first[1], second[1]) and first[1] > second[1]:
        problems.note(f"calendar.{second[0]}", f"must not be before calendar.{first[0]}")


def _check_slots(session: SessionFile, problems: Problems) -> None:
    before = UNREAD_MOMENT
    for number, slot in enumerate(session.slots):
        _check_window(f"slots[{number}]", Window(slot.starts_at, slot.ends_at), problems)
        if _read(before, slot.starts_at) and slot.starts_at < before:
            problems.note(f"slots[{number}]", "must begin after the slot before it has ended")
        before = slot.ends_at
    if session.slots:
        opens_at, first_at = session.calendar.printing.opens_at, session.slots[0].starts_at
        if _read(opens_at, first_at) and first_at < opens_at:
            problems.note("calendar.printing.opens", "must be before the first slot")


def _check_ticket_number(session: SessionFile, problems: Problems) -> None:
    rule = session.ticket_number
    if not rule.format:
        return
    places = dict(_PLACES.findall(rule.format))
    if _PLACES.sub("", rule.format) or set(places) != {"city", "county", "session", "serial"}:
        what = "must be made of {city:N}, {county:N}, {session:N} and {serial:N}, each once"
        problems.note("ticket_number.format", what)
    elif sum(map(int, places.values())) != _TICKET_NUMBER_DIGITS:
        problems.note("ticket_number.format", f"must give {_TICKET_NUMBER_DIGITS} digits")
    elif rule.session and len(rule.session) != int(places["session"]):
        what = f"must have the {places['session']} digits that the format gives it"
        problems.note("ticket_number.session", what)


def _check_unique(key: str, codes: Iterable[str], problems: Problems) -> None:
    for code, count in Counter(codes).items():
        if code and count > 1:
            problems.note(key, f"{code} is there {count} times")


def _check_courses(session: SessionFile, problems: Problems) -> None:
    for course in session.courses:
        if session.slots and course.slot > len(session.slots):
            problems.note("courses", f"{course.code} is in slot {course.slot}, which is none")


def _check_rooms(session: SessionFile, problems: Problems) -> None:
    """Every seat that is sold must be in a room: a county's rooms bound its capacity."""
    if not session.sites:
        return
    rooms = Counter[str]()
    for site in session.sites:
        rooms[site.county_code] += site.seats
    for code in rooms.keys() - {county.code for county in session.counties} - {""}:
        problems.note("sites", f"county {code} has a site and is not in counties")
    for county in session.counties:
        if county.code and max(county.seats, default=0) > rooms[county.code]:
            what = f"{county.code} offers {max(county.seats)} seats, its rooms have "
            problems.note("counties", what + str(rooms[county.code]))


def _read(*moments: datetime) -> bool:
    return UNREAD_MOMENT not in moments
