"""An arrangement from the session file to the tickets, on a real database."""

import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from support.postgres import Cluster
from support.tickets_database import (
    CLOSED,
    COUNTY,
    OFFICER,
    SESSION,
    SITE,
    NamedQueries,
    tickets_database,
)
from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError
from zikao_tickets.commands.apply_session import apply_session
from zikao_tickets.commands.publish_arrangement import find_arrangement, publish_arrangement
from zikao_tickets.commands.run_arrangement import run_arrangement
from zikao_tickets.commands.start_arrangement import start_arrangement
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.session import RoomPlan
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.store import ArrangementStore, SessionStore

KEYS = KeyRing.generate()


@pytest.fixture
async def sql(cluster: Cluster) -> AsyncIterator[NamedQueries]:
    """An empty database with the schema."""
    async with tickets_database(cluster) as queries:
        yield queries


@pytest.fixture
async def county(sql: NamedQueries) -> NamedQueries:
    """The session applied, and 20 candidates enrolled."""
    await apply_session(SessionStore(sql), SESSION, [SITE], dry_run=False, now=CLOSED)
    for number in range(1, 21):
        await enroll(sql, number)
    return sql


async def enroll(sql: NamedQueries, number: int) -> None:
    """What the two feeds bring for one candidate."""
    candidate_id = UUID(int=number)
    ticket_number = f"0104221{number:05}"
    await sql.execute("save_candidates", [candidate_id], [ticket_number], [COUNTY], [b"x"], [b"p"])
    await sql.execute("insert_sittings", ["22.1"], [candidate_id], [1], [COUNTY], ["00015"])


async def start(
    sql: NamedQueries, now: datetime = CLOSED, as_of: datetime | None = CLOSED
) -> Arrangement:
    """Start the county's arrangement with all enrollments up to `as_of`."""
    return await start_arrangement(
        ArrangementStore(sql),
        SESSION,
        COUNTY,
        keys=KEYS,
        actor="officer",
        enrollments_as_of=as_of,
        now=now,
    )


async def arranged(sql: NamedQueries) -> Arrangement:
    """Start an arrangement and do its work, as a worker does."""
    store = ArrangementStore(sql)
    await start(sql)
    leased = await store.lease(CLOSED, CLOSED + timedelta(minutes=1))
    assert leased is not None
    await run_arrangement(store, leased, KEYS)
    return await find_arrangement(store, leased, OFFICER)


async def publish(sql: NamedQueries, arrangement: Arrangement) -> Arrangement:
    """Publish as the county's officer."""
    return await publish_arrangement(
        ArrangementStore(sql), arrangement.arrangement_id, actor=OFFICER, now=CLOSED
    )


async def tickets(sql: NamedQueries) -> list[tuple[int, int, bool]]:
    """Candidate, version and whether in force, of every ticket."""
    rows = await sql.connection.fetch(
        "SELECT candidate_id, version, revoked_at FROM tickets.ticket ORDER BY 1, 2"
    )
    return [(row[0].int, row[1], row[2] is None) for row in rows]


async def test_applying_a_session_twice_changes_nothing(sql: NamedQueries) -> None:
    """The first apply says what it makes; the second says nothing and reads back the same."""
    store = SessionStore(sql)
    for expected in (["新建考次22.1：考点1个，考场1个"], []):
        changes = await apply_session(store, SESSION, [SITE], dry_run=False, now=CLOSED)
        assert changes == expected
    assert await store.load("22.1") == SESSION
    assert await store.sites("22.1") == [SITE]


async def test_a_dry_run_changes_nothing(county: NamedQueries) -> None:
    """A dry run names the changes of session and sites and stores none of them."""
    store = SessionStore(county)
    changed = replace(SESSION, name="新名称")
    sites = [replace(SITE, code="B")]
    changes = await apply_session(store, changed, sites, dry_run=True, now=CLOSED)
    assert changes == ["考次名称变更", "新增考点B", "取消考点A"]
    assert await store.load("22.1") == SESSION


async def test_a_room_with_people_cannot_go(county: NamedQueries) -> None:
    """After the arrangement, a file without the room in use is refused; one more room is not."""
    await arranged(county)
    store = SessionStore(county)
    smaller = [replace(SITE, rooms=(RoomPlan("001", 1, 6),))]
    with pytest.raises(DomainError, match="SESSION_CHANGE_REFUSED"):
        await apply_session(store, SESSION, smaller, dry_run=False, now=CLOSED)
    larger = [replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))]
    assert await apply_session(store, SESSION, larger, dry_run=False, now=CLOSED) == ["考点A变更"]


async def test_no_arrangement_before_enrollment_closes(county: NamedQueries) -> None:
    """A start a second before the end is too early; so is one that has not all enrollments."""
    second = timedelta(seconds=1)
    for now, as_of in ((CLOSED - second, CLOSED), (CLOSED, CLOSED - second), (CLOSED, None)):
        with pytest.raises(DomainError, match="ARRANGEMENT_TOO_EARLY"):
            await start(county, now, as_of)


async def test_a_county_gets_its_tickets(county: NamedQueries) -> None:
    """20 sittings become 20 seats and, once published, 20 tickets; the seed fits its hash."""
    arrangement = await arranged(county)
    assert arrangement.state is ArrangementState.DONE
    assert (arrangement.candidates, arrangement.sittings, arrangement.rooms) == (20, 20, 1)
    assert await tickets(county) == []
    published = await publish(county, arrangement)
    assert published.state is ArrangementState.PUBLISHED
    assert await tickets(county) == [(number, 1, True) for number in range(1, 21)]
    seed = KEYS.decrypt(published.seed_enc, seed_context(published.arrangement_id))
    assert hashlib.sha256(seed).digest() == published.seed_sha256


async def test_a_late_change_ends_only_tickets_whose_seat_changed(county: NamedQueries) -> None:
    """A second arrangement gives a new version to whoever has another seat, to nobody else."""
    await publish(county, await arranged(county))
    await enroll(county, 21)
    await publish(county, await arranged(county))
    rows = await county.connection.fetch(
        "SELECT candidate_id, count(DISTINCT seat_number) AS seats FROM tickets.seat GROUP BY 1"
    )
    moved = {row[0].int for row in rows if row["seats"] == 2}
    found = await tickets(county)
    assert {number for number, version, valid in found if version == 2 and valid} == moved
    assert {number for number, version, valid in found if not valid} == moved
    assert (21, 1, True) in found


async def test_a_damaged_arrangement_is_not_published(county: NamedQueries) -> None:
    """A seat that disappeared is found by the checker, and no ticket is made."""
    arrangement = await arranged(county)
    await county.connection.execute("DELETE FROM tickets.seat WHERE seat_number = 20")
    with pytest.raises(DomainError, match="ARRANGEMENT_INVALID"):
        await publish(county, arrangement)
    assert await tickets(county) == []


async def test_nothing_is_published_twice_or_out_of_scope(county: NamedQueries) -> None:
    """A published arrangement cannot be published again, and another county's officer may not."""
    arrangement = await publish(county, await arranged(county))
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        await publish(county, arrangement)
    with pytest.raises(DomainError, match="OUT_OF_SCOPE"):
        await find_arrangement(
            ArrangementStore(county), arrangement.arrangement_id, replace(OFFICER, scope="510105")
        )


async def test_too_few_rooms_fail_with_numbers(county: NamedQueries) -> None:
    """An arrangement that cannot be made says which slot needs how many rooms."""
    for number in range(21, 41):
        await enroll(county, number)
    arrangement = await arranged(county)
    assert arrangement.state is ArrangementState.FAILED
    assert arrangement.failure == "第1场需要2个考场，仅有1个"


async def test_work_left_by_a_dead_process_is_taken_over(county: NamedQueries) -> None:
    """A leased arrangement is given to nobody until its lease has passed, then to another."""
    store = ArrangementStore(county)
    await start(county)
    minute = timedelta(minutes=1)
    first = await store.lease(CLOSED, CLOSED + minute)
    assert await store.lease(CLOSED, CLOSED + minute) is None
    assert await store.lease(CLOSED + 2 * minute, CLOSED + 3 * minute) == first
