"""Who comes to an opening: made-up candidates with what they want, from a seed.

Each purpose has a random stream of its own: one more purpose changes none of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import accumulate
from random import Random
from typing import NamedTuple
from uuid import UUID

from zikao_ctl.demo.people import resident_number
from zikao_ctl.rush.arrival import ArrivalCurve, arrivals
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.session_model import SessionFile

MAX_COUNTIES = 3
_FIRST_BIRTH_DATE = date(1970, 1, 1)
# So many with one birth date and address, with sequence numbers of three digits.
_SAME_DAY = 1000
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许邓冯韩曹"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂兰英华玉萍红飞玲"
_OLDER_NUMBERS_FROM = 900_000_000_000


class Candidate(NamedTuple):
    """One of those who come.

    `arrives`: relative time (0 to 1) on the curve. `way`: plan, enrollment or portal. `pays`:
    empty for those who do not in the time of the rehearsal, else one of ROLES_THAT_PAY, who
    begins `pays_after` seconds after the seats were had. `browses`: looks at seats before.
    `waits`: is in the waiting room before the opening, where there is one, in so many `tabs`.
    """

    number: int
    candidate_id: UUID
    arrives: float
    course_codes: tuple[str, ...]
    county_codes: tuple[str, ...]
    way: str
    browses: bool
    pays: str
    pays_after: float
    waits: bool = False
    tabs: int = 1

    @property
    def document_number(self) -> str:
        """A valid resident identity number; all are different."""
        day, sequence = divmod(self.number, _SAME_DAY)
        born = _FIRST_BIRTH_DATE + timedelta(days=day)
        return resident_number("510104", born, sequence)

    @property
    def birth_date(self) -> date:
        """As in the document number."""
        return _FIRST_BIRTH_DATE + timedelta(days=self.number // _SAME_DAY)

    @property
    def name(self) -> str:
        """Made up; many have the same."""
        number = self.number
        surname, number = _SURNAMES[number % len(_SURNAMES)], number // len(_SURNAMES)
        return surname + _GIVEN[number % len(_GIVEN)] + _GIVEN[number // 7 % len(_GIVEN)]

    @property
    def ticket_number(self) -> str:
        """An older number, which the old system gave out."""
        return str(_OLDER_NUMBERS_FROM + self.number)


def make_candidates(scenario: Scenario, session: SessionFile, seed: int) -> Iterator[Candidate]:
    """All of them in the order of their coming; the same ones for the same seed."""

    def stream(purpose: str) -> Random:
        return Random(f"{seed}:{purpose}")  # noqa: S311 - made-up people

    moments = arrivals(ArrivalCurve(scenario.arrival), scenario.candidates, stream("arrival"))
    ids, choosing, ways = (
        stream("id"),
        _Choosing(scenario, session, stream("choice")),
        stream("way"),
    )
    browsing, paying = stream("browse"), _Paying(scenario, stream("pay"))
    waiting, tabs = stream("waiting"), stream("tabs")
    names, shares = list(scenario.ways), list(accumulate(scenario.ways.values()))
    for number, arrives in enumerate(moments):
        pays, pays_after = paying.next()
        yield Candidate(
            number=number,
            candidate_id=UUID(int=ids.getrandbits(128), version=4),
            arrives=arrives,
            course_codes=choosing.courses(),
            county_codes=choosing.counties(),
            way=ways.choices(names, cum_weights=shares)[0],
            browses=browsing.random() < scenario.browse_share,
            waits=waiting.random() < scenario.waiting_share,
            tabs=scenario.tabs if tabs.random() < scenario.tabs_share else 1,
            pays=pays,
            pays_after=pays_after,
        )


def plan_sha256(candidates: Sequence[Candidate]) -> str:
    """Of who comes when and does what: equal for equal plans."""
    digest = hashlib.sha256()
    for each in candidates:
        digest.update(repr(tuple(each)).encode())
    return digest.hexdigest()


def wanted_counties(session: SessionFile) -> list[str]:
    """The most wanted first: those with most seats."""
    by_seats = sorted(session.counties, key=lambda county: (-min(county.seats), county.code))
    return [county.code for county in by_seats]


class _Choosing:
    """Courses and counties of one after the other."""

    def __init__(self, scenario: Scenario, session: SessionFile, chance: Random) -> None:
        self._chance = chance
        self._counties = wanted_counties(session)
        ranks = range(1, len(self._counties) + 1)
        self._weights = list(accumulate(rank**-scenario.counties_zipf for rank in ranks))
        self._counts = list(scenario.courses)
        self._shares = list(accumulate(scenario.courses.values()))
        self._most = min(session.max_courses, len(session.slots))
        self._slots = range(1, len(session.slots) + 1)
        self._offered = {
            slot: sorted(
                course.code
                for course in session.courses
                if course.slot == slot and scenario.track in course.tracks
            )
            for slot in self._slots
        }

    def courses(self) -> tuple[str, ...]:
        wanted = self._chance.choices(self._counts, cum_weights=self._shares)[0]
        slots = sorted(self._chance.sample(self._slots, min(wanted, self._most)))
        return tuple(self._chance.choice(self._offered[slot]) for slot in slots)

    def counties(self) -> tuple[str, ...]:
        drawn = self._chance.choices(self._counties, cum_weights=self._weights, k=MAX_COUNTIES)
        return tuple(dict.fromkeys(drawn))


class _Paying:
    """How one after the other pays."""

    def __init__(self, scenario: Scenario, chance: Random) -> None:
        self._chance, self._pay = chance, scenario.pay
        odd = {
            name: getattr(self._pay, name) for name in ("twice", "late", "never", "wrong_amount")
        }
        shares = {"prompt": 1 - sum(odd.values()), **odd}
        self._roles, self._shares = list(shares), list(accumulate(shares.values()))

    def next(self) -> tuple[str, float]:
        # As many draws for each, whatever comes out: the next one's do not depend on it.
        is_payer = self._chance.random() < self._pay.share
        role = self._chance.choices(self._roles, cum_weights=self._shares)[0]
        after = self._pay.median_seconds * self._chance.lognormvariate(0, self._pay.sigma)
        return (role, min(after, self._pay.longest_seconds)) if is_payer else ("", 0.0)
