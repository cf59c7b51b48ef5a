"""The independent checker of arrangements, on a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.service_databases import MakeDatabase
from support.tickets_arranging import arrange
from zikao_kit.queries import Queries
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat
from zikao_tickets.domain.violations import Violation, in_words

CHECK = Queries.load("zikao_tickets")["check_arrangement"]
COUNTY = "510104"
SEED = bytes(32)
NOW = datetime(2022, 4, 1, tzinfo=UTC)
PLAN = uuid4()
SITES = {"A": COUNTY, "B": COUNTY, "Z": "510105"}
ROOMS = [Room(site, code, 30) for site in "AB" for code in ("001", "002")]
PEOPLE = [UUID(int=number) for number in range(1, 71)]
SITTINGS = [
    Sitting(str(person), slot, f"{slot}{number % 3:04}")
    for number, person in enumerate(PEOPLE)
    for slot in (1, 2)
]


@pytest.fixture
async def connection(make_database: MakeDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A database with a county of two sites, its sittings and a right arrangement."""
    connection = await asyncpg.connect(await make_database("tickets"))
    await fill(connection)
    yield connection
    await connection.close()


async def fill(connection: asyncpg.Connection) -> None:
    """Store the county and what `arrange` makes of it."""
    await connection.execute("INSERT INTO tickets.session VALUES ('22.1', '{}', $1)", NOW)
    await connection.executemany(
        "INSERT INTO tickets.site VALUES ('22.1', $1, $2, '县', '校', '路', 1)", SITES.items()
    )
    await connection.executemany(
        "INSERT INTO tickets.room VALUES ('22.1', $1, $2, 5, 6, 1)",
        [(site, code) for site in SITES for code in ("001", "002")],
    )
    await connection.executemany(
        f"INSERT INTO tickets.sitting VALUES ('22.1', $1, $2, '{COUNTY}', $3)", SITTINGS
    )
    await connection.execute(
        "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
        " seed_enc, seed_sha256, started_at, started_by)"
        " VALUES ($1, '22.1', $2, 'done', '', '', $3, 'officer')",
        PLAN,
        COUNTY,
        NOW,
    )
    await connection.executemany(INSERT_SEAT, [seat[:6] for seat in arrange(SITTINGS, ROOMS, SEED)])


INSERT_SEAT = (
    "INSERT INTO tickets.seat (arrangement_id, session_code, slot, site_code, room_code,"
    f" seat_number, candidate_id, course_code) VALUES ('{PLAN}', '22.1', $1, $2, $3, $4, $5, $6)"
)


async def violations(connection: asyncpg.Connection) -> set[str]:
    """The kinds of violation the checker finds."""
    rows = await connection.fetch(CHECK, PLAN)
    found = [Violation(row["violation"], row["slot"], row["subject"]) for row in rows]
    assert in_words(found).count("处") == len({(each.slot, each.kind) for each in found})
    return {violation.kind for violation in found}


async def test_a_right_arrangement_passes(connection: asyncpg.Connection) -> None:
    """The checker, which knows nothing of the algorithm, finds nothing in its result."""
    assert await violations(connection) == set()


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM tickets.seat WHERE slot = 2 AND seat_number = 1", "sitting_without_seat"),
        ("DELETE FROM tickets.sitting WHERE slot = 1", "seat_without_sitting"),
        ("UPDATE tickets.sitting SET course_code = '99999'", "seat_without_sitting"),
        ("UPDATE tickets.room SET rows = 1", "seat_beyond_room"),
        ("UPDATE tickets.site SET county_code = '510105'", "room_of_another_county"),
        (
            "UPDATE tickets.seat SET site_code = 'B', room_code = '002'"
            " WHERE slot = 1 AND site_code = 'A' AND room_code = '001' AND seat_number = 1",
            "remainder_split",
        ),
        (
            "UPDATE tickets.seat SET course_code = (seat_number % 7)::text"
            " WHERE slot = 1 AND site_code = 'A' AND room_code = '001'",
            "too_many_courses_in_room",
        ),
    ],
)
async def test_every_damage_is_found(
    connection: asyncpg.Connection, damage: str, found: str
) -> None:
    """Each rule of DOMAIN section 5, broken behind the service's back, is reported."""
    await connection.execute(damage)
    assert found in await violations(connection)


@pytest.mark.parametrize(
    ("key", "damage", "found"),
    [
        (
            "seat_pkey",
            "UPDATE tickets.seat SET seat_number = 2 WHERE seat_number = 1",
            "seat_taken_twice",
        ),
        (
            "seat_one_a_slot",
            "INSERT INTO tickets.seat (arrangement_id, session_code, slot, site_code, room_code,"
            " seat_number, candidate_id, course_code)"
            " SELECT arrangement_id, session_code, slot, 'Z', '001', 1, candidate_id, course_code"
            " FROM tickets.seat WHERE slot = 1 AND seat_number = 1 LIMIT 1",
            "two_seats_in_a_slot",
        ),
    ],
)
async def test_the_checker_trusts_no_key(
    connection: asyncpg.Connection, key: str, damage: str, found: str
) -> None:
    """What the keys refuse is found by the checker where a key is missing."""
    await connection.execute(f"ALTER TABLE tickets.seat DROP CONSTRAINT {key}")
    await connection.execute(damage)
    assert found in await violations(connection)


async def test_the_database_itself_refuses_a_double_seat(connection: asyncpg.Connection) -> None:
    """Two people on a seat, and one person twice in a slot, violate named constraints."""
    taken = Seat(1, "A", "001", 1, str(uuid4()), "10000")
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await connection.execute(INSERT_SEAT, *taken[:6])
    assert caught.value.constraint_name == "seat_pkey"
    again = Seat(1, "Z", "001", 1, str(PEOPLE[0]), "10000")
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await connection.execute(INSERT_SEAT, *again[:6])
    assert caught.value.constraint_name == "seat_one_a_slot"
