"""Round after round of late changes on a real database: each is small, checked and published."""

from collections.abc import AsyncIterator
from random import Random
from uuid import UUID

import pytest
from support.service_databases import MakeDatabase
from support.tickets_database import (
    SESSION,
    SITE,
    apply,
    arranged,
    enroll,
    publish,
    sql,
    tickets_database,
)
from zikao_kit.db import Database
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.states import Arrangement, ArrangementState

ROUNDS = 12
COURSES = [f"{number:05}" for number in range(15, 24)]
ROOMS = tuple(
    RoomPlan(f"{number:03}", 5, 6, accessible=frozenset({1, 2, 3})) for number in range(1, 13)
)
SITES = [
    SITE.__class__(code, SITE.county_code, "锦江区", f"{code}校", "路", ROOMS) for code in "AB"
]


@pytest.fixture
async def county(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """Two sites of twelve rooms each, and 150 people."""
    async with tickets_database(make_database) as db:
        await apply(db, SESSION, SITES)
        random = Random(5)
        for number in range(1, 151):
            await enroll(db, UUID(int=number), random.choice(COURSES))
        yield db


async def change(db: Database, random: Random, newcomer: int) -> int:
    """Something that happens to a few people or a room; the next newcomer's number."""
    match random.randrange(5):
        case 0:
            for _ in range(random.randrange(1, 4)):
                await enroll(db, UUID(int=newcomer), random.choice(COURSES))
                newcomer += 1
        case 1:
            await sql(
                db,
                "DELETE FROM tickets.sitting WHERE candidate_id = ANY ($1::uuid[])",
                [UUID(int=random.randrange(1, newcomer)) for _ in range(3)],
            )
        case 2:
            for _ in range(2):
                person = UUID(int=random.randrange(1, newcomer))
                await enroll(db, person, random.choice(COURSES))
        case 3:
            await sql(
                db,
                "UPDATE tickets.room SET use = 'closed' WHERE (site_code, room_code) = ($1, $2)",
                random.choice("AB"),
                f"{random.randrange(1, 13):03}",
            )
        case 4:
            await sql(
                db,
                "INSERT INTO tickets.accommodation VALUES ('22.1', $1, '510104',"
                " 'accessible_seat', 'o', now()) ON CONFLICT DO NOTHING",
                UUID(int=random.randrange(1, newcomer)),
            )
    return newcomer


@pytest.mark.parametrize("seed", [1, 2])
async def test_every_change_is_small_and_right(county: Database, seed: int) -> None:
    """Twelve rounds of newcomers, leavers, changed minds, closed rooms and new needs.

    The checker counts by itself who changed and who was moved, and agrees with the arranging.
    """
    random, newcomer = Random(seed), 151
    await publish(county, await arranged(county))
    for _ in range(ROUNDS):
        newcomer = await change(county, random, newcomer)
        done: Arrangement = await arranged(county)
        assert (done.state, done.failure) == (ArrangementState.DONE, "")
        assert done.counts.moved <= 3 * done.counts.changed
        await publish(county, done)
    anew = await publish(county, await arranged(county, anew=True))
    assert (anew.counts.changed, anew.counts.late_shares) == (0, 0)
    assert anew.counts.rooms == anew.counts.rooms_bound
