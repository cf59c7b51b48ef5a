"""Arrangements from before one seed was for all that is started on the same one in force."""

from importlib import resources
from uuid import UUID

import asyncpg

COUNTY, OTHER = "510104", "510105"
FIRST, FORCE, RUNNING, WAITING = (UUID(int=number) for number in range(1, 5))


async def migrate(db: asyncpg.Connection, upto: str, behind: str = "") -> None:
    """Run the migrations of tickets of these numbers."""
    folder = resources.files("zikao_tickets") / "sql" / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if behind < file.name[:4] <= upto:
            await db.execute(file.read_text(encoding="utf-8"))


async def test_what_was_started_before_goes_on(empty_database: str) -> None:
    """What works on the one in force may end; none fixes a seed, for each has its own."""
    db = await asyncpg.connect(empty_database)
    try:
        await migrate(db, "0012")
        await db.execute("INSERT INTO tickets.session VALUES ('22.1', '{}', now())")
        for arrangement_id, county, state, based_on in (
            (FIRST, COUNTY, "superseded", None),
            (FORCE, COUNTY, "published", FIRST),
            (RUNNING, COUNTY, "running", None),
            (WAITING, OTHER, "pending", None),
        ):
            await db.execute(
                "INSERT INTO tickets.arrangement (arrangement_id, session_code, county_code, state,"
                " seed_enc, seed_sha256, started_at, started_by, based_on, published_at,"
                " published_by) SELECT $1, '22.1', $2, $3::text, '', '', now(), 'o', $4,"
                " CASE WHEN published THEN now() END, CASE WHEN published THEN 'o' END"
                " FROM (SELECT $3::text IN ('published', 'superseded') AS published) AS given",
                *(arrangement_id, county, state, based_on),
            )
        await migrate(db, "0013", behind="0012")
        rows = await db.fetch(
            "SELECT arrangement_id, seeded_on, fixes_seed FROM tickets.arrangement"
        )
        assert {row[0]: row[1:] for row in map(tuple, rows)} == {
            FIRST: (None, False),
            FORCE: (FIRST, False),
            RUNNING: (FORCE, False),
            WAITING: (None, False),
        }
    finally:
        await db.close()
