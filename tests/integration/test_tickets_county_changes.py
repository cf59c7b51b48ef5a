"""A candidate who is enrolled in another county after the tickets were out."""

from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID

import pytest
from support.service_databases import MakeDatabase
from support.tickets_database import (
    COUNTY,
    SESSION,
    SITE,
    apply,
    arranged,
    enroll,
    publish,
    sql,
    tickets_database,
)
from zikao.tickets.v1 import ticket_feed_service_pb2
from zikao_kit.db import Database
from zikao_kit.queries import Queries

# In the order of codes before the one that is left.
OTHER = "510103"
SITES = [SITE, replace(SITE, code="B", county_code=OTHER)]
MOVER, *OTHERS = (UUID(int=number) for number in range(1, 4))


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """Three candidates with tickets of one county; then one is enrolled in the other."""
    async with tickets_database(make_database) as database:
        await apply(database, SESSION, SITES)
        for person in (MOVER, *OTHERS):
            await enroll(database, person)
        await publish(database, await arranged(database))
        await enroll(database, MOVER, county=OTHER)
        yield database


async def tickets(db: Database) -> list[tuple[int, int, str, bool]]:
    """Candidate, version, county and whether in force, of every ticket."""
    rows = await sql(
        db,
        "SELECT candidate_id, version, county_code, revoked_at FROM tickets.ticket ORDER BY 1, 2",
    )
    return [(row[0].int, row[1], row[2], row[3] is None) for row in rows]


async def without_ticket(db: Database) -> list[str]:
    """Whom the audit finds without the ticket of the county they sit in."""
    async with db.read() as tx:
        rule = tx.using(Queries.load("zikao_ctl"))
        return [row["offender"] for row in await rule.fetch("tickets_everybody_has_one_ticket")]


@pytest.mark.parametrize("first", [OTHER, COUNTY])
async def test_a_ticket_follows_to_the_new_county(db: Database, first: str) -> None:
    """Whichever county publishes first: one ticket in force, the new county's, and no gap."""
    for county in (first, COUNTY if first == OTHER else OTHER):
        await publish(db, await arranged(db, county=county))
        assert await without_ticket(db) == []
    assert await tickets(db) == [
        (1, 1, COUNTY, False),
        (1, 2, OTHER, True),
        (2, 1, COUNTY, True),
        (3, 1, COUNTY, True),
    ]


async def test_the_feed_says_the_new_county(db: Database) -> None:
    """The last event of the candidate has the new county's ticket and the revoked version."""
    await publish(db, await arranged(db, county=OTHER))
    rows = await sql(
        db,
        "SELECT payload FROM tickets.outbox WHERE event_key LIKE $1 ORDER BY position DESC LIMIT 1",
        f"%{MOVER}",
    )
    event = ticket_feed_service_pb2.TicketEvent.FromString(rows[0]["payload"])
    assert (event.county_code, event.version) == (OTHER, 2)
    assert list(event.revoked_versions) == [1]
    assert [seat.site_code for seat in event.seats] == ["B"]


async def test_the_audit_finds_who_has_another_countys_ticket(db: Database) -> None:
    """A ticket of the county that was left is none for the seat in the new one."""
    await publish(db, await arranged(db, county=OTHER))
    await sql(db, "UPDATE tickets.ticket SET revoked_at = now() WHERE version = 2")
    await sql(db, "UPDATE tickets.ticket SET revoked_at = NULL WHERE version = 1")
    assert await without_ticket(db) == [f"22.1 {MOVER}"]
