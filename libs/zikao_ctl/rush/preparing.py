"""Sessions and clock of a rehearsal, before anybody comes."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta

from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.session_model import Calendar, County, SessionFile, WaitingRoom, Window

# The clock of the installation stands so long before the opening while all is made ready.
BEFORE_OPENING = timedelta(minutes=30)
# Candidates were approved, and saved their plans, the day before.
SEEDED_BEFORE = timedelta(days=1)
SEATS_ARE_FOR = 100_000
ROOM = WaitingRoom(
    opens_before=BEFORE_OPENING,
    pass_life=timedelta(minutes=10),
    max_per_second=0,
    quiet=timedelta(seconds=60),
)
CALIBRATION_HOLD = timedelta(hours=12)


def rehearsed_session(scenario: Scenario, session: SessionFile) -> SessionFile:
    """The session with seats as the scenario scales them, and no rooms: none is arranged."""
    factor = scenario.seats_scale * scenario.candidates / SEATS_ARE_FOR
    counties = tuple(_scaled(county, factor) for county in session.counties)
    return replace(
        session, counties=counties, sites=(), calendar=_calendar(scenario, session.calendar)
    )


def calibration_session(session: SessionFile) -> SessionFile:
    """Another session, which is open already, with seats for all: whoever helps to calibrate
    takes no seat of the rehearsal."""
    digits = len(session.ticket_number.session)
    plenty = tuple(
        replace(county, seats=tuple(max(county.seats) + SEATS_ARE_FOR for _ in county.seats))
        for county in session.counties
    )
    windows = {
        track: Window(window.opens_at - 2 * SEEDED_BEFORE, window.closes_at)
        for track, window in session.calendar.enrollment.items()
    }
    return replace(
        session,
        code="0.0",
        name="试算",
        ticket_number=replace(session.ticket_number, session="9" * digits),
        calendar=replace(session.calendar, enrollment=windows),
        counties=plenty,
        hold=CALIBRATION_HOLD,
    )


def _calendar(scenario: Scenario, calendar: Calendar) -> Calendar:
    """With a waiting room of the track, or without any."""
    windows = {
        track: replace(window, waiting_room=None) for track, window in calendar.enrollment.items()
    }
    if scenario.waiting_room:
        window = windows[scenario.track]
        windows[scenario.track] = replace(window, waiting_room=ROOM)
    return replace(calendar, enrollment=windows)


def opens_at(scenario: Scenario, session: SessionFile) -> datetime:
    """The opening that is rehearsed, by the clock of the installation."""
    return session.calendar.enrollment[scenario.track].opens_at


def _scaled(county: County, factor: float) -> County:
    return replace(county, seats=tuple(math.ceil(seats * factor) for seats in county.seats))
