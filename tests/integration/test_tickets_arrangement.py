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
    everything_has_come,
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
from zikao_tickets.parts import ENROLLMENTS
from zikao_tickets.store import ArrangementStore, SessionStore

KEYS = KeyRing.generate()
MINUTE = timedelta(minutes=1)


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


async def start(sql: NamedQueries, now: datetime = CLOSED) -> Arrangement:
    """Start the county's arrangement."""
    return await start_arrangement(
        ArrangementStore(sql),
        SESSION,
        COUNTY,
        keys=KEYS,
        actor="officer",
        now=now,
    )


async def arranged(sql: NamedQueries) -> Arrangement:
    """Start an arrangement and do its work, as a worker does."""
    store = ArrangementStore(sql)
    await start(sql)
    await everything_has_come(sql)
    leased = await store.lease(ENROLLMENTS, MINUTE)
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
    with pytest.raises(DomainError, match=r"SESSION_CHANGE_REFUSED.*510105"):
        elsewhere = [replace(SITE, county_code="510105")]
        await apply_session(store, SESSION, elsewhere, dry_run=False, now=CLOSED)
    larger = [replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))]
    assert await apply_session(store, SESSION, larger, dry_run=False, now=CLOSED) == ["考点A变更"]


async def test_what_candidates_take_cannot_go(county: NamedQueries) -> None:
    """A file without a course or slot that somebody takes is refused, naming it."""
    store = SessionStore(county)
    for changed, named in (
        (replace(SESSION, courses={"00018": "计算机应用基础"}), "课程00015"),
        (replace(SESSION, slots=(replace(SESSION.slots[0], number=2),)), "第1场"),
    ):
        with pytest.raises(DomainError, match=f"SESSION_CHANGE_REFUSED.*{named}"):
            await apply_session(store, changed, [SITE], dry_run=False, now=CLOSED)


async def test_no_arrangement_before_enrollment_closes(county: NamedQueries) -> None:
    """A start a second before the end is too early."""
    with pytest.raises(DomainError, match="ARRANGEMENT_TOO_EARLY"):
        await start(county, CLOSED - timedelta(seconds=1))


async def test_work_waits_for_enrollments_confirmed_before_its_start(county: NamedQueries) -> None:
    """No worker gets the arrangement until the feed is as fresh as the moment of its start."""
    store = ArrangementStore(county)
    assert await store.lease(ENROLLMENTS, MINUTE) is None
    await everything_has_come(county)
    started = await start(county)
    assert await store.lease(ENROLLMENTS, MINUTE) is None
    await everything_has_come(county)
    assert await store.lease(ENROLLMENTS, MINUTE) == started.arrangement_id


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
    """A newcomer gets a ticket, a changed course a new version; nobody else's ticket changes."""
    first = await publish(county, await arranged(county))
    await enroll(county, 21)
    await county.connection.execute(
        "UPDATE tickets.sitting SET course_code = '00018' WHERE candidate_id = $1", UUID(int=1)
    )
    second = await publish(county, await arranged(county))
    others = [(number, 1, True) for number in range(2, 22)]
    assert await tickets(county) == [(1, 1, False), (1, 2, True), *others]
    assert second.based_on == first.arrangement_id
    now = await find_arrangement(ArrangementStore(county), first.arrangement_id, OFFICER)
    assert now.state is ArrangementState.SUPERSEDED


async def test_who_no_longer_sits_loses_the_ticket(county: NamedQueries) -> None:
    """A withdrawn enrollment ends its ticket at the next publication, and no other."""
    await publish(county, await arranged(county))
    await county.connection.execute(
        "DELETE FROM tickets.sitting WHERE candidate_id = $1", UUID(int=3)
    )
    await publish(county, await arranged(county))
    ended = [number for number, _, valid in await tickets(county) if not valid]
    assert ended == [3]


async def test_one_arrangement_of_a_county_is_in_progress(county: NamedQueries) -> None:
    """A second start is refused until the first is done; then it is another arrangement."""
    await start(county)
    with pytest.raises(DomainError, match=r"STATE_NOT_ALLOWED.*已有编排进行中"):
        await start(county)
    await everything_has_come(county)
    store = ArrangementStore(county)
    leased = await store.lease(ENROLLMENTS, MINUTE)
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        await start(county)
    assert leased is not None
    await run_arrangement(store, leased, KEYS)
    assert (await start(county)).arrangement_id != leased


async def test_only_what_was_made_on_the_one_in_force_is_published(county: NamedQueries) -> None:
    """Of two made on the same state, whichever comes second is refused, the older and the newer."""
    older, newer = await arranged(county), await arranged(county)
    await publish(county, newer)
    with pytest.raises(DomainError, match=r"STATE_NOT_ALLOWED.*编排后已发布其他编排"):
        await publish(county, older)
    third, fourth = await arranged(county), await arranged(county)
    await publish(county, third)
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        await publish(county, fourth)
    assert await tickets(county) == [(number, 1, True) for number in range(1, 21)]


async def test_a_damaged_arrangement_is_not_published(county: NamedQueries) -> None:
    """A seat that disappeared is found by the checker, and no ticket is made."""
    arrangement = await arranged(county)
    await county.connection.execute("DELETE FROM tickets.seat WHERE seat_number = 20")
    with pytest.raises(DomainError, match=r"ARRANGEMENT_INVALID.*第1场考生无座位1处"):
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
    started = await start(county)
    await everything_has_come(county)
    first = await store.lease(ENROLLMENTS, MINUTE)
    assert await store.lease(ENROLLMENTS, MINUTE) is None
    await county.connection.execute(
        "UPDATE tickets.arrangement SET leased_until = clock_timestamp() - interval '1 second'"
    )
    assert await store.lease(ENROLLMENTS, MINUTE) == first
    for _ in ("the dead one wakes up", "the one that took over"):
        await run_arrangement(store, started.arrangement_id, KEYS)
    assert (await find_arrangement(store, started.arrangement_id, OFFICER)).sittings == 20
