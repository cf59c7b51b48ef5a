"""What happens on a system that is upgraded: session after session, and people between them.

Every story is that of `zikao demo`, told by today's client, with its own session and people, a
quarter after the one before. One session more (`OPEN`) has windows that stay open for years: its
candidates call while something else is done to the system.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import cast

from support.released_code import ROOT
from support.upgrade_fleet import Fleet
from zikao_ctl.apply_session import apply_session
from zikao_ctl.demo.arranging import arrange
from zikao_ctl.demo.command import DEFAULT_SESSION
from zikao_ctl.demo.enrolling import open_window, plan
from zikao_ctl.demo.officers import hire_officer
from zikao_ctl.demo.paying import let_holds_end, pay
from zikao_ctl.demo.people import Person, Role, make_people, popular_counties, resident_number
from zikao_ctl.demo.printing import print_tickets
from zikao_ctl.demo.registering import register
from zikao_ctl.demo.reviewing import collect_number, empty_work_list, review
from zikao_ctl.demo.stage import Officer, Player, Stage, open_stage
from zikao_ctl.installation import OPERATOR, Installation
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_model import Calendar, SessionFile, TicketNumberRule, Window

QUARTER = timedelta(weeks=13)
YEARS = timedelta(weeks=260)
# The special parts and nobody else: all of one track, so that there is one opening.
OTHERS = len(Role) - 2
CALLERS = 3


@dataclass
class Storyteller:
    """Plays stories on a fleet; officers stay from one to the next."""

    fleet: Fleet
    hands: ProcessPoolExecutor
    out: Path
    officers: dict[str, Officer]
    session: SessionFile
    told: int = 0

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Story]:
        """The next story: its session is applied."""
        number = self.told
        self.told += 1
        session = moved(self.session, f"22.{number + 1}", number * QUARTER)
        people = [
            _renumbered(person, number) for person in make_people(session, OTHERS, 7 + number)
        ]
        async with self._on_stage(session, people) as stage:
            yield Story(stage, self.hands, self.out)

    @asynccontextmanager
    async def let_callers_in(self) -> AsyncIterator[Stage]:
        """Candidates with ticket numbers of the session whose windows stay open."""
        people = make_people(self.session, OTHERS + 20, 99)[OTHERS + 1 :]
        social = [person for person in people if person.track == "social"][:CALLERS]
        async with self._on_stage(_open(self.session), social) as stage:
            await register(stage, self.hands)
            for county_code in sorted({person.county_code for person in social}):
                await hire_officer(stage, county_code)
                assert await empty_work_list(stage, county_code)
            for player in stage.players:
                await collect_number(stage, player)
            yield stage

    @asynccontextmanager
    async def _on_stage(
        self, session: SessionFile, people: Sequence[Person]
    ) -> AsyncIterator[Stage]:
        operator = self.fleet.certificate(OPERATOR)
        await apply_session(session, self.fleet.targets, operator, dry_run=False)
        at = cast(Installation, self.fleet)
        async with open_stage(at, session, people, lambda _: None, lambda *_: None) as stage:
            stage.officers = self.officers
            yield stage


@dataclass(frozen=True)
class Story:
    """A session from registration to the door, in halves: each may see another version."""

    stage: Stage
    hands: ProcessPoolExecutor
    out: Path

    async def first_half(self) -> None:
        """Accounts, reviews, plans, seats, payments."""
        await register(self.stage, self.hands)
        await review(self.stage)
        await plan(self.stage)
        crowd = await open_window(self.stage, "social")
        await pay(self.stage, crowd)
        await let_holds_end(self.stage, crowd)

    async def second_half(self) -> None:
        """Rooms and seats, tickets, the door; nobody was forgotten."""
        await arrange(self.stage)
        await print_tickets(self.stage, self.out, self.hands)
        everybody, enrolled = OTHERS + 1, OTHERS
        assert self.stage.counts == {
            "registered": everybody,
            "approved": everybody,
            "held": everybody,
            "confirmed": enrolled,
            "refunded": 1,
            "arranged": enrolled,
            "rendered": enrolled,
            "verified": enrolled,
        }

    async def whole(self) -> None:
        """Both halves."""
        await self.first_half()
        await self.second_half()

    @property
    def printed(self) -> Sequence[Player]:
        """Who has a printed ticket."""
        return [player for player in self.stage.players if player.proof]


def small_session() -> SessionFile:
    """The example's session with the counties that people want, and their sites."""
    session = load_session_file(ROOT / DEFAULT_SESSION)
    wanted = popular_counties(session)
    counties = tuple(county for county in session.counties if county.code in wanted)
    sites = tuple(site for site in session.sites if site.county_code in wanted)
    return replace(session, counties=counties, sites=sites)


def moved(session: SessionFile, code: str, by: timedelta) -> SessionFile:
    """The same session so much later."""

    def later(window: Window) -> Window:
        return replace(window, opens_at=window.opens_at + by, closes_at=window.closes_at + by)

    at = session.calendar
    calendar = Calendar(
        registration=later(at.registration),
        material_closes_at=at.material_closes_at + by,
        review_closes_at=at.review_closes_at + by,
        enrollment={track: later(window) for track, window in at.enrollment.items()},
        printing=later(at.printing),
        activation=later(at.activation),
        profile_change=later(at.profile_change) if at.profile_change else None,
    )
    slots = tuple(
        replace(slot, starts_at=slot.starts_at + by, ends_at=slot.ends_at + by)
        for slot in session.slots
    )
    rule = TicketNumberRule(session.ticket_number.format, code.replace(".", ""))
    return replace(session, code=code, calendar=calendar, slots=slots, ticket_number=rule)


def _open(session: SessionFile) -> SessionFile:
    """A session of which everything but the examination is open for years."""
    late = moved(session, "29.1", YEARS)
    begins = session.calendar.registration.opens_at - QUARTER
    at = late.calendar

    def since(closes_at: datetime) -> Window:
        return Window(begins, closes_at)

    enrollment = {track: since(window.closes_at) for track, window in at.enrollment.items()}
    calendar = replace(at, registration=since(at.registration.closes_at), enrollment=enrollment)
    return replace(late, calendar=calendar)


def _renumbered(person: Person, story: int) -> Person:
    """Another person than in the stories before."""
    if person.role is not Role.OLD_NUMBER:
        return replace(person, number=person.number + 100 * story)
    born = date(1968, 5, 17 + story)
    number = resident_number(person.county_code, born, 201)
    old_form = number[:6] + number[8:17]
    return replace(
        person, number=person.number + 100 * story, birth_date=born, document_number=old_form
    )
