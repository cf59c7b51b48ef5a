"""The independent checker of arrangements, on a real database."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio
from support.service_databases import ServiceDatabases
from support.tickets_arranging import planned
from zikao_kit.db import Transaction
from zikao_kit.queries import Queries
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seat_rows import SeatDraw
from zikao_tickets.domain.states import Counts
from zikao_tickets.domain.violations import VIOLATION_NAMES, Violation, in_words
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.seating import SeatingStore, StoredPlan

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNTY = "510104"
NOW = datetime(2022, 4, 1, tzinfo=UTC)
PLAN, BASE = UUID(int=1), UUID(int=2)
SITES = {"A": COUNTY, "B": COUNTY, "Z": "510105"}
ACCESSIBLE = frozenset({14, 15})
ROOMS = [Room(site, code, 30, ACCESSIBLE) for site in "AB" for code in ("001", "002")]
PEOPLE = [str(UUID(int=number)) for number in range(1, 71)]
# Three courses a slot, of 24, 23 and 23 people: three rooms, since no two fit into one.
SITTINGS = [
    Sitting(person, slot, f"{slot}{number % 3:04}")
    for number, person in enumerate(PEOPLE)
    for slot in (1, 2)
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def county(service_databases: ServiceDatabases) -> AsyncIterator[asyncpg.Connection]:
    """A database with a county of two sites, its sittings and a right arrangement."""
    dsn = await service_databases.clone("tickets")
    connection = await asyncpg.connect(dsn)
    await fill(connection)
    await arrange(connection)
    yield connection
    await connection.close()
    await service_databases.drop(dsn)


@pytest_asyncio.fixture(loop_scope="module")
async def connection(county: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """The same, in a transaction that is rolled back."""
    transaction = county.transaction()
    await transaction.start()
    yield county
    await transaction.rollback()


async def fill(connection: asyncpg.Connection) -> None:
    """Store the county, with one reserve and one closed room."""
    await connection.execute("INSERT INTO tickets.session VALUES ('22.1', '{}', $1)", NOW)
    await connection.executemany(
        "INSERT INTO tickets.site VALUES ('22.1', $1, $2, '县', '校', '路', 1)", SITES.items()
    )
    uses = {"001": "normal", "002": "normal", "900": "reserve", "901": "closed"}
    await connection.executemany(
        "INSERT INTO tickets.room (session_code, site_code, room_code, columns, rows, position,"
        " accessible, use) VALUES ('22.1', $1, $2, 5, 6, 1, '{14,15}', $3)",
        [(site, code, use) for site in SITES for code, use in uses.items()],
    )
    await connection.executemany(
        f"INSERT INTO tickets.sitting VALUES ('22.1', $1, $2, '{COUNTY}', $3)", SITTINGS
    )


async def arrange(connection: asyncpg.Connection, rooms: Sequence[Room] = ROOMS) -> None:
    """Store what the arranging makes of it, as it is stored by the service."""
    tx = Transaction(connection, Queries.load("zikao_tickets"))
    roster = Roster.of(SITTINGS)
    plan = planned(roster, rooms)
    drawn = SeatDraw(PLAN, "22.1", plan, roster, bytes(32), ()).drawn()
    await connection.execute(
        "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
        " seed_enc, seed_sha256, started_at, started_by)"
        " VALUES ($1, '22.1', $2, 'running', '', '', $3, 'officer')",
        PLAN,
        COUNTY,
        NOW,
    )
    seating = SeatingStore(tx)
    await seating.save_plan(PLAN, StoredPlan(b"", b"", ()), plan.proofs)
    await seating.replace_seats(PLAN, drawn.rows)
    figures = {**vars(plan.figures), "gap_reason": ""}
    await ArrangementStore(tx).finish(
        PLAN,
        None,
        NOW,
        roster_sha256=roster.sha256(),
        seats_sha256=drawn.sha256,
        counts=Counts(candidates=drawn.candidates, sittings=drawn.sittings, **figures),
    )
    assert await seating.roster("22.1", COUNTY) == roster
    assert await seating.seats_digest(PLAN) == drawn.sha256


async def violations(connection: asyncpg.Connection) -> set[str]:
    """The kinds of violation that the checker finds."""
    found: list[Violation] = await SeatingStore(
        Transaction(connection, Queries.load("zikao_tickets"))
    ).violations(PLAN)
    assert in_words(found).count("处") == len({(each.slot, each.kind) for each in found})
    return {violation.kind for violation in found}


async def test_a_right_arrangement_passes(connection: asyncpg.Connection) -> None:
    """The checker, which knows nothing of the algorithm, finds nothing in its result."""
    assert await violations(connection) == set()


SEAT = "slot = 1 AND site_code = 'A' AND room_code = '001' AND seat_number = 10"
# Seats as they are now were in force before, and are kept.
BASED = (
    f"INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state, seed_enc,"
    f" seed_sha256, started_at, started_by, published_at, published_by) SELECT '{BASE}',"
    f" session_code, county_code, 'published', '', '', now(), 'o', now(), 'o'"
    f" FROM tickets.arrangement WHERE arrangement_id = '{PLAN}';"
    f"INSERT INTO tickets.seat SELECT '{BASE}', slot, session_code, site_code, room_code,"
    f" seat_number, candidate_id, course_code, late FROM tickets.seat;"
    f"UPDATE tickets.arrangement SET based_on = '{BASE}' WHERE arrangement_id = '{PLAN}';"
)
PLANTED = {
    "a seat is gone": (
        "DELETE FROM tickets.seat WHERE slot = 2 AND seat_number = 1",
        "sitting_without_seat",
    ),
    "people have left": ("DELETE FROM tickets.sitting WHERE slot = 1", "seat_without_sitting"),
    "courses have changed": (
        "UPDATE tickets.sitting SET course_code = '99999'",
        "seat_without_sitting",
    ),
    "the room is smaller": ("UPDATE tickets.room SET rows = 3", "seat_beyond_room"),
    "the desk is not there": (
        "UPDATE tickets.room SET layout = 'custom', numbering ="
        " (SELECT array_agg(CASE WHEN n = 10 THEN 31 ELSE n END)"
        " FROM generate_series(1, 30) AS n)",
        "seat_not_in_layout",
    ),
    "there is no such room": (
        f"UPDATE tickets.seat SET room_code = '777' WHERE {SEAT}",
        "room_unknown",
    ),
    "it is another county's": (
        "UPDATE tickets.site SET county_code = '510105'",
        "room_of_another_county",
    ),
    "the room is closed": (
        f"UPDATE tickets.seat SET room_code = '901' WHERE {SEAT}",
        "closed_room",
    ),
    "the room is kept in reserve": (
        f"UPDATE tickets.seat SET room_code = '900' WHERE {SEAT}",
        "reserve_room",
    ),
    "somebody needs an accessible seat": (
        "INSERT INTO tickets.accommodation SELECT '22.1', candidate_id, '510104',"
        f" 'accessible_seat', 'o', now() FROM tickets.seat WHERE {SEAT}",
        "accessible_seat_missing",
    ),
    "seven courses": (
        "UPDATE tickets.seat SET course_code = (seat_number % 7)::text"
        " WHERE slot = 1 AND site_code = 'A' AND room_code = '001'",
        "too_many_courses_in_room",
    ),
    "a remainder is split": (
        "UPDATE tickets.seat SET site_code = 'B', room_code = '002', seat_number = 30"
        f" WHERE {SEAT}",
        "remainder_split",
    ),
    "a course twice": (
        "UPDATE tickets.seat SET course_code = '10000' WHERE slot = 2 AND seat_number = 1",
        "course_in_two_slots",
    ),
    "the seat is of another session": (
        f"UPDATE tickets.seat SET session_code = '22.2' WHERE {SEAT}",
        "session_of_seat_differs",
    ),
    "late without a base": (
        f"UPDATE tickets.seat SET late = true WHERE {SEAT}",
        "late_without_base",
    ),
    "too many were moved": (
        f"{BASED} UPDATE tickets.seat SET seat_number = 30 WHERE {SEAT}"
        f" AND arrangement_id = '{PLAN}'",
        "moved_too_many",
    ),
    "it was drawn from a seed of its own": (
        "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
        " seed_enc, seed_sha256, started_at, started_by, fixes_seed) SELECT"
        f" '{BASE}', session_code, county_code, 'cancelled', '', 'other', now(), 'o', true"
        " FROM tickets.arrangement",
        "another_seed",
    ),
    "fewer candidates are said": (
        "UPDATE tickets.arrangement SET candidates = candidates - 1",
        "seats_miscounted",
    ),
    "fewer rooms are said": (
        "UPDATE tickets.arrangement SET rooms = rooms - 1",
        "rooms_miscounted",
    ),
    "fewer rooms of a slot are said": (
        "UPDATE tickets.arrangement_slot SET rooms = rooms - 1",
        "rooms_miscounted",
    ),
    "fewer packs are said": (
        "UPDATE tickets.arrangement SET packs = packs - 1",
        "packs_miscounted",
    ),
    "fewer packs of a slot are said": (
        "UPDATE tickets.arrangement_slot SET packs = packs - 1",
        "packs_miscounted",
    ),
    "fewer site changes are said": (
        "UPDATE tickets.arrangement SET site_changes = site_changes + 1",
        "site_changes_miscounted",
    ),
    "fewer were moved than is said": (
        f"{BASED} UPDATE tickets.arrangement SET moved = 1",
        "late_changes_miscounted",
    ),
    "the bound is too high": (
        "UPDATE tickets.arrangement_slot SET rooms_bound = rooms_bound + 1",
        "bound_not_proven",
    ),
    "a solver says more are needed than there are": (
        "UPDATE tickets.arrangement_slot SET rooms_bound = rooms_bound + 1, proof_kind = 'solver'",
        "bound_not_proven",
    ),
    "six remainders weigh too much": (
        "UPDATE tickets.arrangement_slot SET denominator = 1",
        "bound_not_proven",
    ),
    "there is no proof": ("DELETE FROM tickets.arrangement_slot", "bound_not_proven"),
    "the proof knows no such room": (
        "UPDATE tickets.room SET rows = 5, accessible = '{}' WHERE site_code = 'B'",
        "bound_not_proven",
    ),
    "there are more rooms than needed": (
        "UPDATE tickets.arrangement_slot SET rooms_bound = rooms_bound - 1",
        "more_rooms_than_bound",
    ),
}


@pytest.mark.parametrize("damage", PLANTED)
async def test_every_planted_fault_is_found(connection: asyncpg.Connection, damage: str) -> None:
    """Each rule of DOMAIN section 5, broken behind the service's back, is reported."""
    statement, found = PLANTED[damage]
    await connection.execute(statement)
    assert found in await violations(connection)


TRUSTED = {
    "seat_pkey": (
        "UPDATE tickets.seat SET seat_number = 2 WHERE seat_number = 1",
        "seat_taken_twice",
    ),
    "seat_one_a_slot": (
        "INSERT INTO tickets.seat (arrangement_id, session_code, slot, site_code, room_code,"
        " seat_number, candidate_id, course_code)"
        " SELECT arrangement_id, session_code, slot, 'B', '900', 1, candidate_id, course_code"
        " FROM tickets.seat WHERE slot = 1 AND seat_number = 1 LIMIT 1",
        "two_seats_in_a_slot",
    ),
}


@pytest.mark.parametrize("key", TRUSTED)
async def test_the_checker_trusts_no_key(connection: asyncpg.Connection, key: str) -> None:
    """What the keys refuse is found by the checker where a key is missing."""
    damage, found = TRUSTED[key]
    await connection.execute(f"ALTER TABLE tickets.seat DROP CONSTRAINT {key}")
    await connection.execute(damage)
    assert found in await violations(connection)


async def test_every_kind_of_violation_is_planted() -> None:
    """A rule that is new to the checker comes with a fault that it finds."""
    planted = {found for _, found in (*PLANTED.values(), *TRUSTED.values())}
    assert planted == VIOLATION_NAMES.keys()


async def test_kept_seats_are_right(connection: asyncpg.Connection) -> None:
    """Seats that were in force already need no proof, and one may leave a full room alone."""
    await connection.execute(BASED)
    await connection.execute("DELETE FROM tickets.arrangement_slot")
    assert await violations(connection) == set()


@pytest.mark.parametrize("key", TRUSTED)
async def test_the_database_itself_refuses_it(connection: asyncpg.Connection, key: str) -> None:
    """Two people on a seat, and one person twice in a slot, violate named constraints."""
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await connection.execute(TRUSTED[key][0])
    assert caught.value.constraint_name == key


async def test_proofs_of_rooms_of_several_sizes_are_checked(
    connection: asyncpg.Connection,
) -> None:
    """With rooms of 30, 25 and 20 the checker finds the same bound as was stored, and no higher."""
    await connection.execute("UPDATE tickets.room SET rows = 5 WHERE site_code = 'B'")
    await connection.execute("UPDATE tickets.room SET rows = 4 WHERE room_code = '002'")
    rooms = [
        Room("A", "001", 30),
        Room("A", "002", 20),
        Room("B", "001", 25),
        Room("B", "002", 20),
    ]
    await connection.execute("DELETE FROM tickets.seat")
    await connection.execute("DELETE FROM tickets.arrangement_plan")
    await connection.execute("DELETE FROM tickets.arrangement_slot")
    await connection.execute("DELETE FROM tickets.arrangement")
    await arrange(connection, rooms)
    assert await violations(connection) == set()
    await connection.execute("UPDATE tickets.arrangement_slot SET rooms_bound = rooms_bound + 1")
    assert await violations(connection) == {"bound_not_proven"}


BROKEN = {
    "tickets_seats_are_those_that_were_checked": (
        f"UPDATE tickets.seat SET seat_number = 30 WHERE {SEAT}"
    ),
    "tickets_rooms_are_proven": "DELETE FROM tickets.arrangement_slot WHERE slot = 2",
    "tickets_late_changes_move_few": "UPDATE tickets.arrangement SET moved = 1",
}


@pytest.mark.parametrize("invariant", [*BROKEN, ""])
async def test_the_auditor_finds_it(connection: asyncpg.Connection, invariant: str) -> None:
    """What may not be in what is in force is found by `zikao audit`, and nothing else is."""
    await connection.execute(
        "UPDATE tickets.arrangement SET state = 'published', published_at = now(),"
        " published_by = 'o'"
    )
    if invariant:
        await connection.execute(BROKEN[invariant])
    queries = Queries.load("zikao_ctl")
    found = {name for name in BROKEN if await connection.fetch(queries[name])}
    assert found == ({invariant} if invariant else set())
