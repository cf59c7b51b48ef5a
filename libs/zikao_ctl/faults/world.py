"""What a rehearsal of faults is played in: a session that is open, people, and their tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from zikao_kit.clock import OffsetClock
from zikao_kit.tokens import TokenIssuer

from zikao_ctl.installation import Installation
from zikao_ctl.rush.people import Candidate
from zikao_ctl.rush.seeding import signing_key
from zikao_ctl.session_model import Calendar, SessionFile, Window

COUNTIES = 8
# In so many of them there are few seats: they sell out, and what goes back is fought for.
HOT_COUNTIES = 3
HOT_SEATS, SEATS = 25, 20_000
# Clocks that jump forward again and again stay inside.
OPEN_FOR = timedelta(days=400)
OPEN_SINCE = timedelta(hours=1)
TOKEN_LIFE = timedelta(hours=1)
TOKEN_MARGIN = timedelta(minutes=5)


def open_session(session: SessionFile, now: datetime) -> SessionFile:
    """The same session in a few counties, open since an hour and for longer than any rehearsal.

    Without sites: nobody is seated in rooms here.
    """
    opens = session.calendar.enrollment["social"].opens_at
    shift = now - OPEN_SINCE - opens
    window = Window(opens + shift, opens + shift + OPEN_FOR)
    old = session.calendar
    later = shift + OPEN_FOR
    calendar = Calendar(
        registration=_moved(old.registration, shift),
        material_closes_at=old.material_closes_at + shift,
        review_closes_at=old.review_closes_at + shift,
        enrollment=dict.fromkeys(old.enrollment, window),
        printing=_moved(old.printing, later),
        activation=window,
        profile_change=None,
    )
    counties = tuple(
        replace(county, seats=(HOT_SEATS if i < HOT_COUNTIES else SEATS,) * len(session.slots))
        for i, county in enumerate(session.counties[:COUNTIES])
    )
    slots = tuple(
        replace(slot, starts_at=slot.starts_at + later, ends_at=slot.ends_at + later)
        for slot in session.slots
    )
    return replace(session, calendar=calendar, counties=counties, slots=slots, sites=())


def _moved(window: Window, by: timedelta) -> Window:
    return Window(window.opens_at + by, window.closes_at + by)


def make_people(session: SessionFile, count: int, chance: Random) -> list[Candidate]:
    """So many, of the county with the first code; what they want is drawn as they go."""
    county = session.counties[0].code
    return [
        Candidate(
            number=number,
            candidate_id=UUID(int=chance.getrandbits(128), version=4),
            arrives=0.0,
            course_codes=(),
            county_codes=(county,),
            way="enrollment",
            browses=False,
            pays="",
            pays_after=0.0,
        )
        for number in range(count)
    ]


class Tokens:
    """Access tokens signed with the installation's own key: nobody has to log in."""

    def __init__(self, issuer: TokenIssuer, clock: OffsetClock) -> None:
        self._issuer = issuer
        self._clock = clock
        self._known: dict[UUID, tuple[str, datetime, datetime]] = {}

    @classmethod
    async def open(cls, installation: Installation) -> Tokens:
        """With the newest key of registration."""
        key_id, private_key = await signing_key(installation)
        clock = OffsetClock(installation.clock_file)
        return cls(TokenIssuer(key_id, private_key, clock, TOKEN_LIFE), clock)

    def of(self, candidate_id: UUID) -> str:
        """One that is good now, and for a while."""
        now = self._clock.now()
        token, since, until = self._known.get(candidate_id, ("", now, now))
        if not since <= now < until - TOKEN_MARGIN:
            token, until = self._issuer.issue(str(candidate_id), "candidate")
            self._known[candidate_id] = token, now, until
        return token


def choices(session: SessionFile, chance: Random) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Courses of different slots, and one to three counties, the crowded ones first."""
    by_slot: dict[int, list[str]] = {}
    for course in session.courses:
        if "social" in course.tracks:
            by_slot.setdefault(course.slot, []).append(course.code)
    slots = chance.sample(sorted(by_slot), chance.choice((1, 1, 1, 2)))
    courses = tuple(chance.choice(by_slot[slot]) for slot in slots)
    codes = [county.code for county in session.counties]
    hot, others = codes[:HOT_COUNTIES], codes[HOT_COUNTIES:]
    if chance.random() < 0.6:
        return courses, (chance.choice(hot), chance.choice(others))
    return courses, (chance.choice(others),)
