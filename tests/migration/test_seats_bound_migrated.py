"""What candidates have, while processes that write a row a seat run beside those that do not."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID

import asyncpg
import pytest
from zikao_kit.queries import Queries

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
HERE, ELSEWHERE = "510104", "510105"
ANN, BEN, CAM, DAN = (UUID(int=number) for number in range(1, 5))
QUERIES = Queries.load("zikao_enrollment")
RULES = (
    "enrollment_orders_have_their_seats",
    "enrollment_nobody_is_in_two_places",
    "enrollment_counties_are_of_those_who_sit_there",
)
# As the version before has them.
OLD = {
    "hold": """WITH given AS MATERIALIZED (
        SELECT $1::uuid AS order_id, $2::uuid AS candidate_id, $3::text AS county_code,
            $4::integer[] AS slots
    ), orders AS (
        INSERT INTO enrollment.enrollment_order (order_id, session_code, candidate_id, county_code,
            slots, course_codes, state, fee_fen, held_until, created_at)
        SELECT order_id, '22.1', candidate_id, county_code, slots, slots::text[], 'held', 5, $5, $5
        FROM given
    ), enrollments AS (
        INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code)
        SELECT '22.1', candidate_id, county_code FROM given
        ON CONFLICT (session_code, candidate_id) DO NOTHING
    )
    INSERT INTO enrollment.sitting
        (session_code, candidate_id, slot, order_id, course_code, county_code)
    SELECT '22.1', candidate_id, slot, order_id, slot::text, county_code
    FROM given, unnest(slots) AS slot""",
    "order": """UPDATE enrollment.enrollment_order
    SET county_code = $2, slots = $3::integer[], course_codes = $3::integer[]::text[], state = $4
    WHERE order_id = $1""",
    "leave": "DELETE FROM enrollment.sitting WHERE order_id = $1",
    "unbind": """DELETE FROM enrollment.enrollment
    WHERE session_code = '22.1' AND candidate_id = $1 AND NOT EXISTS (
        SELECT FROM enrollment.sitting
        WHERE sitting.session_code = enrollment.session_code
            AND sitting.candidate_id = enrollment.candidate_id
    )""",
    "bind": """INSERT INTO enrollment.enrollment (session_code, candidate_id, county_code)
    VALUES ('22.1', $1, $2) ON CONFLICT (session_code, candidate_id) DO NOTHING""",
    "sit": """INSERT INTO enrollment.sitting
        (session_code, candidate_id, slot, order_id, course_code, county_code)
    SELECT '22.1', $1, slot, $2, slot::text, $3 FROM unnest($4::integer[]) AS slot""",
    "has": """SELECT county_code, array_agg(slot ORDER BY slot) FROM enrollment.sitting
    WHERE session_code = '22.1' AND candidate_id = $1 GROUP BY county_code""",
}


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """The schema of the version before, with an order of two seats each of Ann and Ben."""
    db = await asyncpg.connect(empty_database)
    try:
        await migrate(db, upto="0021")
        for order, who in enumerate((ANN, BEN), start=1):
            await old_hold(db, order, who, HERE, [1, 2])
        yield db
    finally:
        await db.close()


async def migrate(db: asyncpg.Connection, upto: str, behind: str = "") -> None:
    """Run enrollment's migrations of these numbers."""
    folder = resources.files("zikao_enrollment") / "sql" / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if behind < file.name[:4] <= upto:
            await db.execute(file.read_text(encoding="utf-8"))


async def old_hold(
    db: asyncpg.Connection, order: int, who: UUID, county_code: str, slots: list[int]
) -> None:
    """Submit as the version before does."""
    await db.execute(OLD["hold"], UUID(int=order), who, county_code, slots, NOW)


async def old_change(
    db: asyncpg.Connection, order: int, who: UUID, seats: tuple[str, list[int]], state: str
) -> None:
    """Change or release an order as the version before does: in several statements."""
    county_code, slots = seats
    async with db.transaction():
        await db.execute(OLD["order"], UUID(int=order), county_code, slots, state)
        await db.execute(OLD["leave"], UUID(int=order))
        await db.execute(OLD["unbind"], who)
        if state != "released":
            await db.execute(OLD["bind"], who, county_code)
            await db.execute(OLD["sit"], who, UUID(int=order), county_code, slots)


async def new_hold(
    db: asyncpg.Connection, order: int, who: UUID, county_code: str, slot: int
) -> None:
    """Submit as this version does."""
    await db.execute(
        *(QUERIES["insert_held_orders"], "22.1", [UUID(int=order)], [who], [1]),
        *([county_code], [f"{{{slot}}}"], [f"{{{slot}}}"], [5], [1 << slot - 1]),
        *("held", "submit", NOW, NOW, [who]),
    )


async def has(db: asyncpg.Connection, who: UUID) -> list[tuple[str, list[int]]]:
    """What both versions say that somebody has; nothing may be wrong otherwise."""
    for rule in RULES:
        assert await db.fetch(QUERIES[rule]) == []
    old = [tuple(row) for row in await db.fetch(OLD["has"], who)]
    rows = await db.fetch(QUERIES["list_holdings"], "22.1", [who])
    new = [
        (row["county_code"], [slot for slot in range(1, 65) if row["slot_set"] >> slot - 1 & 1])
        for row in rows
    ]
    assert old == new
    return new


async def test_what_was_there_stays(db: asyncpg.Connection) -> None:
    """Who had two seats has them after the first part of the migration and after the second."""
    await migrate(db, upto="0022", behind="0021")
    assert await has(db, ANN) == [(HERE, [1, 2])]
    await migrate(db, upto="0023", behind="0022")
    assert await has(db, BEN) == [(HERE, [1, 2])]


async def test_both_versions_beside_each_other(db: asyncpg.Connection) -> None:
    """Each sees what the other has given, changed and taken back, and refuses a second county."""
    await migrate(db, upto="0022", behind="0021")
    await old_hold(db, 3, ANN, HERE, [3])
    assert await has(db, ANN) == [(HERE, [1, 2, 3])]
    await old_change(db, 1, ANN, (HERE, [4]), "held")
    assert await has(db, ANN) == [(HERE, [3, 4])]
    await old_change(db, 2, BEN, (HERE, [1, 2]), "released")
    assert await has(db, BEN) == []
    await old_change(db, 2, BEN, (ELSEWHERE, [1, 2]), "confirmed")
    assert await has(db, BEN) == [(ELSEWHERE, [1, 2])]
    await new_hold(db, 4, BEN, ELSEWHERE, 3)
    await old_hold(db, 5, BEN, ELSEWHERE, [64])
    assert await has(db, BEN) == [(ELSEWHERE, [1, 2, 3, 64])]
    await old_change(db, 4, BEN, (ELSEWHERE, [3]), "released")
    assert await has(db, BEN) == [(ELSEWHERE, [1, 2, 64])]
    await new_hold(db, 6, DAN, HERE, 1)
    for slots, county_code in (([2], ELSEWHERE), ([1], HERE)):
        with pytest.raises(asyncpg.PostgresError):
            await old_hold(db, 7, DAN, county_code, slots)
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await new_hold(db, 7, DAN, county_code, slots[0])
    assert await has(db, DAN) == [(HERE, [1])]
    await db.execute(OLD["order"], UUID(int=6), HERE, [1], "released")
    await db.execute(QUERIES["bind_candidates"], "22.1", [DAN])
    assert await has(db, DAN) == []
    await migrate(db, upto="0023", behind="0022")
    await new_hold(db, 8, CAM, HERE, 2)
    assert [await has(db, who) for who in (ANN, CAM)] == [[(HERE, [3, 4])], [(HERE, [2])]]
