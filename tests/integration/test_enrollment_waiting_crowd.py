"""1,000 candidates with three tabs each before two processes: one place each."""

from pathlib import Path
from random import Random
from uuid import UUID

from support.enrollment_audit import violations
from support.enrollment_replicas import add_people, replicas
from support.enrollment_rooms import AFTER, EARLY, session_with_room
from support.service_databases import MakeDatabase
from support.waiting_crowd import drawn_crowd, join_all, places_stored
from zikao_enrollment.domain.waiting import draw
from zikao_enrollment.names import SCHEMA

PEOPLE = 1_000
TABS = 3
# At both processes after the draw. The bench asks for all, of 10,000.
ASKED = 100


async def test_a_crowd_has_one_place_each(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Whatever tab at whatever process: one place, one number, which anybody can compute."""
    chance = Random(22)
    people = [UUID(int=chance.getrandbits(128)) for _ in range(PEOPLE)]
    dsn = await make_database(SCHEMA)
    await add_people(dsn, people)
    async with replicas(dsn, tmp_path, session_with_room(), EARLY) as served:
        assert await join_all(served, people, TABS) == PEOPLE * TABS
        assert await places_stored(dsn) == PEOPLE
        await served.move_clock(AFTER)
        crowd = await drawn_crowd(served, people[:ASKED])
    assert (crowd.duplicates, crowd.draw.drawn_count) == (0, PEOPLE)
    numbers = draw(crowd.draw.seed, people)
    assert sorted(numbers.values()) == [*range(1, PEOPLE + 1)]
    assert crowd.numbers == {person: numbers[person] for person in people[:ASKED]}
    assert await violations(dsn) == {}
