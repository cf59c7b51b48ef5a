"""Who comes when: exact numbers on a curve that is data, and the same people for the same seed."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zikao_ctl.rush.arrival import ArrivalCurve, arrivals
from zikao_ctl.rush.people import Candidate, make_candidates, plan_sha256
from zikao_ctl.rush.scenario import Paying, Scenario, ScenarioError
from zikao_ctl.session_file import load_session_file
from zikao_ctl.session_model import SessionFile

OPENING = Path("examples/rush/opening.yaml")
CURVE = ((0.0, 0.0), (0.02, 1.0), (0.1, 0.7), (0.3, 0.15), (1.0, 0.02))


@pytest.fixture(scope="module")
def session() -> SessionFile:
    """The session that the example plays."""
    return load_session_file(Scenario.load(OPENING).session)


@st.composite
def curves(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Points of a curve that somebody comes by."""
    inner = draw(st.lists(st.floats(0.01, 0.99), max_size=6, unique=True))
    times = [0.0, *sorted(inner), 1.0]
    rates = draw(st.lists(st.floats(0, 100), min_size=len(times), max_size=len(times)))
    rates[draw(st.integers(0, len(rates) - 1))] = 50.0
    return list(zip(times, rates, strict=True))


@given(curves(), st.integers(1, 300), st.integers(0, 99))
def test_exactly_so_many_come_in_order_and_each_in_its_part(
    points: list[tuple[float, float]], count: int, seed: int
) -> None:
    """Of N people the i-th comes while the curve's area is between i/N and (i+1)/N."""
    curve = ArrivalCurve(points)
    moments = list(arrivals(curve, count, Random(seed)))
    assert len(moments) == count
    assert all(0 <= first <= second <= 1 for first, second in pairwise([0.0, *moments, 1.0]))
    for number, moment in enumerate(moments):
        assert curve.moment(number / count) - 1e-6 <= moment
        assert moment <= curve.moment((number + 1) / count) + 1e-6


def test_the_top_of_the_curve_is_the_rate_that_was_asked_for() -> None:
    """In the seconds that a top rate needs, nobody's tenth of a second sees much more than it."""
    curve = ArrivalCurve(CURVE)
    seconds = curve.seconds_for(100_000, 12_000)
    assert curve.rate(0.02, 100_000, seconds) == pytest.approx(12_000)
    moments = [moment * seconds for moment in arrivals(curve, 100_000, Random(1))]
    at_top = sum(0.02 * seconds <= moment < 0.02 * seconds + 0.1 for moment in moments)
    assert at_top == pytest.approx(1_200, rel=0.02)
    assert curve.rate(1.0, 100_000, seconds) == 0


def test_the_same_seed_makes_the_same_plan_and_another_one_another(session: SessionFile) -> None:
    """The sum over everything that is planned tells plans apart."""
    scenario = replace(Scenario.load(OPENING), candidates=500)

    def plan(seed: int) -> str:
        return plan_sha256(list(make_candidates(scenario, session, seed)))

    assert plan(7) == plan(7)
    assert plan(7) != plan(8)


def test_another_purpose_leaves_the_others_alone(session: SessionFile) -> None:
    """Who pays how is drawn apart: with other shares the same people come with the same wishes."""
    scenario = replace(Scenario.load(OPENING), candidates=500)
    often = replace(scenario, pay=Paying(share=1.0, twice=0.5, late=0.1, never=0.1))

    def wishes(scenario: Scenario) -> list[Candidate]:
        made = make_candidates(scenario, session, 7)
        return [each._replace(pays="", pays_after=0.0) for each in made]

    assert wishes(scenario) == wishes(often)


def test_people_are_as_the_scenario_says(session: SessionFile) -> None:
    """Documents and numbers differ, no two courses in one slot, the shares come out."""
    scenario = replace(Scenario.load(OPENING), candidates=20_000)
    people = list(make_candidates(scenario, session, 1))
    assert len({each.document_number for each in people}) == len(people)
    assert len({each.ticket_number for each in people}) == len(people)
    assert len({each.candidate_id for each in people}) == len(people)
    slot_of = {course.code: course.slot for course in session.courses}
    for each in people[:500]:
        slots = [slot_of[code] for code in each.course_codes]
        assert len(set(slots)) == len(slots)
        assert 1 <= len(set(each.county_codes)) == len(each.county_codes) <= 3
    share = sum(len(each.course_codes) == 4 for each in people) / len(people)
    assert share == pytest.approx(scenario.courses[4], abs=0.02)
    largest = max(session.counties, key=lambda county: min(county.seats))
    hottest = sum(each.county_codes[0] == largest.code for each in people) / len(people)
    assert hottest == pytest.approx(0.24, abs=0.03)


@pytest.mark.parametrize("file", sorted(OPENING.parent.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_example_can_be_played(file: Path) -> None:
    """Each names a session that is there, with a track that has a window and courses for all."""
    scenario = replace(Scenario.load(file), candidates=50)
    session = load_session_file(scenario.session)
    people = list(make_candidates(scenario, session, 1))
    assert len(people) == 50
    assert scenario.name == file.stem
    assert scenario.track in session.calendar.enrollment


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("arrival: [[0, 1], [0.5, 1]]", "0 to 1"),
        ("arrival: [[0, 0], [1, 0]]", "one is above"),
        ("courses: {1: 0.5}", "courses"),
        ("ways: {fax: 1.0}", "ways"),
        ("pay: {late: 0.9, never: 0.9}", "pay"),
        ("tabs: 0", "tabs"),
        ("speed: 3", "speed"),
        ("- 1", "unknown"),
    ],
)
def test_a_scenario_that_cannot_be_is_refused_by_name(
    tmp_path: Path, content: str, said: str
) -> None:
    """A slip in the file is told with the key that it is in, before anything starts."""
    file = tmp_path / "scenario.yaml"
    file.write_text(content)
    with pytest.raises(ScenarioError, match=said):
        Scenario.load(file)
