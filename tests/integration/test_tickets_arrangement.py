"""An arrangement from the session file to the tickets, on a real database."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from support.service import until
from support.service_databases import MakeDatabase
from support.tickets_database import (
    CLOSED,
    KEYS,
    OFFICER,
    SESSION,
    SITE,
    apply,
    arranged,
    enroll,
    everything_has_come,
    found,
    lease,
    publish,
    sql,
    start,
    tickets_database,
    worker,
)
from zikao_kit.db import ConstraintViolated, Database
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries
from zikao_tickets.domain.layout import RoomPlan
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.rooms import RoomUse
from zikao_tickets.domain.site_changes import settled
from zikao_tickets.domain.states import ArrangementState
from zikao_tickets.names import PACKAGE
from zikao_tickets.stores.publishing import PublishingStore
from zikao_tickets.stores.sessions import SessionStore
from zikao_tickets.stores.sites import SiteStore

LOCK_TICKETS = Queries("test", {"lock": "LOCK TABLE tickets.ticket IN SHARE MODE"})
PEOPLE = [UUID(int=number) for number in range(1, 21)]
SMALLER = replace(SITE, rooms=(RoomPlan("001", 1, 6),))


@pytest.fixture
async def db(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """An empty database with the schema."""
    async with tickets_database(make_database) as database:
        yield database


@pytest.fixture
async def county(db: Database) -> Database:
    """The session applied, and 20 candidates enrolled."""
    await apply(db)
    for person in PEOPLE:
        await enroll(db, person)
    return db


async def tickets(db: Database) -> list[tuple[int, int, bool]]:
    """Candidate, version and whether in force, of every ticket."""
    rows = await sql(
        db, "SELECT candidate_id, version, revoked_at FROM tickets.ticket ORDER BY 1, 2"
    )
    return [(row[0].int, row[1], row[2] is None) for row in rows]


async def test_applying_a_session_twice_changes_nothing(db: Database) -> None:
    """The first apply says what it makes; the second says nothing and reads back the same."""
    assert await apply(db) == ["新增考次22.1：考点1个、考场1个"]
    assert await apply(db) == []
    async with db.read() as tx:
        assert await SessionStore(tx).load("22.1") == SESSION
        assert await SiteStore(tx).sites("22.1") == settled([], [SITE])


async def test_a_session_that_a_newer_version_stored_is_read(county: Database) -> None:
    """A field that this version does not know is passed over."""
    await sql(county, """UPDATE tickets.session SET body = body || '{"newerSetting": 1}'""")
    async with county.read() as tx:
        assert await SessionStore(tx).load("22.1") == SESSION


async def test_a_dry_run_changes_nothing(county: Database) -> None:
    """A dry run names the changes of session and sites and stores none of them."""
    changed = replace(SESSION, name="新名称")
    assert await apply(county, changed, [replace(SITE, code="B")], dry=True) == [
        "考次名称由2022年4月高等教育自学考试改为新名称",
        "新增考点B第十七中学",
        "取消考点A第十七中学",
    ]
    assert await apply(county) == []


async def test_a_room_with_people_cannot_go(county: Database) -> None:
    """With tickets out, a file without the room in use is refused; one more room is not."""
    await publish(county, await arranged(county))
    for refused in (SMALLER, replace(SITE, county_code="510105")):
        with pytest.raises(DomainError, match=r"SESSION_CHANGE_REFUSED.*考点A"):
            await apply(county, SESSION, [refused])
    larger = [replace(SITE, rooms=(*SITE.rooms, RoomPlan("002", 5, 6)))]
    assert await apply(county, SESSION, larger) == ["新增考点A考场002（5列6行）"]


async def test_of_other_sites_no_seat_is_read(county: Database) -> None:
    """A file that changes a site of a province asks who sits there, and for nobody else."""
    await publish(county, await arranged(county))
    async with county.read() as tx:
        store = SiteStore(tx)
        assert await store.seats_in_use("22.1", []) == {}
        assert await store.seats_in_use("22.1", ["A", "B"]) == {("A", "001"): len(PEOPLE)}
    query = Queries.load(PACKAGE)["list_rooms_in_use"]
    looked_at = query.replace("$1", "'22.1'").replace("$2", "'{A}'")
    looking = {"off": "SET LOCAL enable_seqscan = off", "plan": f"EXPLAIN {looked_at}"}
    async with county.transaction() as tx:
        plans = tx.using(Queries("test", looking))
        await plans.execute("off")
        plan = [row[0] for row in await plans.fetch("plan")]
    (condition,) = (line for line in plan if "Index Cond" in line and "arrangement_id" in line)
    assert "site_code = site.site_code" in condition


async def test_what_tickets_are_called_cannot_change(county: Database) -> None:
    """With tickets out, names are what these say; before, they may be mended."""
    renamed = replace(SESSION, name="新名称")
    courses = replace(SESSION, courses={**SESSION.courses, "00015": "英语"})
    assert len(await apply(county, renamed)) == len(await apply(county)) == 1
    await publish(county, await arranged(county))
    for session in (renamed, courses):
        with pytest.raises(DomainError, match=r"SESSION_CHANGE_REFUSED.*名称不能由"):
            await apply(county, session)


async def test_what_candidates_take_cannot_go(county: Database) -> None:
    """A file without a course or slot that somebody takes is refused, naming it."""
    for changed, named in (
        (replace(SESSION, courses={"00018": "计算机应用基础"}), "课程00015"),
        (replace(SESSION, slots=(replace(SESSION.slots[0], number=2),)), "第1场"),
    ):
        with pytest.raises(DomainError, match=f"SESSION_CHANGE_REFUSED.*{named}"):
            await apply(county, changed)


async def test_a_session_file_waits_for_a_publication(county: Database) -> None:
    """A room whose seats are being published cannot go: the file waits, and is refused."""
    done = await arranged(county)

    async def waiting() -> int:
        rows = await sql(
            county,
            "SELECT 1 FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        return len(rows)

    async def one_waits() -> bool:
        return await waiting() == 1

    async def both_wait() -> bool:
        return await waiting() == 2

    async with county.transaction() as tx:
        await tx.using(LOCK_TICKETS).execute("lock")
        publishing = asyncio.ensure_future(publish(county, done))
        await until(one_waits)
        applying = asyncio.ensure_future(apply(county, SESSION, [SMALLER]))
        await until(both_wait)
    await publishing
    with pytest.raises(DomainError, match="SESSION_CHANGE_REFUSED"):
        await applying


async def test_what_is_only_done_holds_no_room(county: Database) -> None:
    """Before the publication a room may go; then what was done is not published any more."""
    done = await arranged(county)
    assert await apply(county, SESSION, [SMALLER])
    with pytest.raises(DomainError, match=r"ARRANGEMENT_INVALID.*座位号超出考场"):
        await publish(county, done)


async def test_the_newer_takes_the_place_of_what_was_done(county: Database) -> None:
    """The older one has no seats and no plan any more, and says so to whoever would publish it."""
    older, newer = await arranged(county), await arranged(county)
    with pytest.raises(DomainError, match=r"STATE_NOT_ALLOWED.*已被新编排取代"):
        await publish(county, older)
    for table in ("seat", "arrangement_plan"):
        kept = await sql(county, f"SELECT DISTINCT arrangement_id FROM tickets.{table}")
        assert [row[0] for row in kept] == [newer.arrangement_id]
    gone = await found(county, older.arrangement_id)
    assert (gone.state, gone.counts) == (ArrangementState.DISCARDED, older.counts)
    third = await publish(county, newer)
    await arranged(county)
    assert (await found(county, third.arrangement_id)).state is ArrangementState.PUBLISHED


async def test_no_arrangement_before_the_last_seats_are_paid(county: Database) -> None:
    """A start a second before the end is too early, and is told when it may come."""
    with pytest.raises(DomainError, match="ARRANGEMENT_TOO_EARLY") as caught:
        await start(county, CLOSED - timedelta(seconds=1))
    assert caught.value.metadata == {"arrangements_open_at": "2022-03-03T09:00:00+00:00"}


async def test_work_waits_for_enrollments_confirmed_before_its_start(county: Database) -> None:
    """No worker gets the arrangement until the feed is as fresh as the moment of its start."""
    assert await lease(county) is None
    await everything_has_come(county)
    started = await start(county)
    assert await lease(county) is None
    await everything_has_come(county)
    leased = await lease(county)
    assert leased is not None
    assert leased.arrangement_id == started.arrangement_id


async def test_a_county_gets_its_tickets(county: Database) -> None:
    """20 sittings become 20 seats and, once published, 20 tickets; the seed fits its hash."""
    arrangement = await arranged(county)
    assert arrangement.state is ArrangementState.DONE
    counts = arrangement.counts
    assert (counts.candidates, counts.sittings, counts.rooms, counts.rooms_bound) == (20, 20, 1, 1)
    assert await tickets(county) == []
    published = await publish(county, arrangement)
    assert published.state is ArrangementState.PUBLISHED
    assert await tickets(county) == [(person.int, 1, True) for person in PEOPLE]
    seed = KEYS.decrypt(published.seed_enc, seed_context(published.arrangement_id))
    assert hashlib.sha256(seed).digest() == published.seed_sha256


async def test_a_late_change_ends_only_tickets_whose_seat_changed(county: Database) -> None:
    """A newcomer gets a ticket, a changed course a new version; nobody else's ticket changes."""
    first = await publish(county, await arranged(county))
    await enroll(county, UUID(int=21))
    await enroll(county, PEOPLE[0], "00018")
    second = await publish(county, await arranged(county))
    others = [(number, 1, True) for number in range(2, 22)]
    assert await tickets(county) == [(1, 1, False), (1, 2, True), *others]
    assert second.based_on == first.arrangement_id
    assert (await found(county, first.arrangement_id)).state is ArrangementState.SUPERSEDED


async def test_a_failing_publication_changes_nothing(county: Database) -> None:
    """When tickets cannot be issued, the arrangement in force and all tickets stay as they are."""
    first = await publish(county, await arranged(county))
    await enroll(county, PEOPLE[0], "00018")
    second = await arranged(county)
    # The version after the last one that a proof can hold: the database refuses it.
    await sql(
        county,
        "INSERT INTO tickets.ticket (session_code, candidate_id, version, county_code,"
        " arrangement_id, ticket_number, serial, issued_at, revoked_at)"
        " SELECT session_code, candidate_id, 65535, county_code, arrangement_id, ticket_number,"
        " 'last', issued_at, issued_at FROM tickets.ticket WHERE candidate_id = $1",
        PEOPLE[0],
    )
    before = await tickets(county)
    with pytest.raises(ConstraintViolated):
        await publish(county, second)
    assert await tickets(county) == before
    assert (await found(county, first.arrangement_id)).state is ArrangementState.PUBLISHED
    assert (await found(county, second.arrangement_id)).state is ArrangementState.DONE


async def test_who_no_longer_sits_loses_the_ticket(county: Database) -> None:
    """A withdrawn enrollment ends its ticket at the next publication, and no other."""
    await publish(county, await arranged(county))
    await sql(county, "DELETE FROM tickets.sitting WHERE candidate_id = $1", PEOPLE[2])
    await publish(county, await arranged(county))
    ended = [number for number, _, valid in await tickets(county) if not valid]
    assert ended == [3]


async def test_one_arrangement_of_a_county_is_in_progress(county: Database) -> None:
    """A second start is refused until the first is done; then it is another arrangement."""
    await start(county)
    with pytest.raises(DomainError, match=r"STATE_NOT_ALLOWED.*已有编排进行中"):
        await start(county)
    await everything_has_come(county)
    leased = await lease(county)
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        await start(county)
    assert leased is not None
    await worker(county).arrange(leased)
    assert (await start(county)).arrangement_id != leased.arrangement_id


async def test_only_what_was_made_on_the_one_in_force_is_published(county: Database) -> None:
    """Of two made on the same state, whichever comes second is refused, the older and the newer."""
    for first, second in ((0, 1), (1, 0)):
        made = [await arranged(county)]
        # A newer one does not take the place of what is about to be published.
        async with county.transaction() as tx:
            await PublishingStore(tx).approve([made[0].arrangement_id], CLOSED, "officer")
        made.append(await arranged(county))
        async with county.transaction() as tx:
            await PublishingStore(tx).refuse(made[0].arrangement_id, "")
        await publish(county, made[first])
        with pytest.raises(DomainError, match=r"STATE_NOT_ALLOWED.*编排后已发布其他编排"):
            await publish(county, made[second])
    assert await tickets(county) == [(person.int, 1, True) for person in PEOPLE]


async def test_a_damaged_arrangement_is_not_published(county: Database) -> None:
    """A seat that disappeared is found by the checker, and no ticket is made."""
    arrangement = await arranged(county)
    await sql(county, "DELETE FROM tickets.seat WHERE seat_number = 20")
    with pytest.raises(DomainError, match=r"ARRANGEMENT_INVALID.*第1场考生无座位1处"):
        await publish(county, arrangement)
    assert await tickets(county) == []


async def test_nothing_is_published_twice_or_out_of_scope(county: Database) -> None:
    """A published arrangement cannot be published again, and another county's officer may not."""
    arrangement = await publish(county, await arranged(county))
    with pytest.raises(DomainError, match="STATE_NOT_ALLOWED"):
        await publish(county, arrangement)
    with pytest.raises(DomainError, match="OUT_OF_SCOPE"):
        await found(county, arrangement.arrangement_id, OFFICER._replace(scope="510105"))


async def test_rooms_above_the_bound_are_published_with_a_word(db: Database) -> None:
    """Of six rooms of three sizes five are used, and four are proven to be needed."""
    columns = enumerate((10, 10, 5, 6, 10, 6), start=1)
    rooms = tuple(RoomPlan(f"{number:03}", size, 1) for number, size in columns)
    courses = {"00004": 4, "00014": 14, "00003": 3, "00015": 15}
    await apply(
        db, replace(SESSION, courses=dict.fromkeys(courses, "课程")), [replace(SITE, rooms=rooms)]
    )
    people = [course for course, number in courses.items() for _ in range(number)]
    for number, course in enumerate(people, start=1):
        await enroll(db, UUID(int=number), course)
    done = await arranged(db)
    assert (done.counts.rooms, done.counts.rooms_bound) == (5, 4)
    with pytest.raises(DomainError, match=r"MORE_ROOMS_THAN_BOUND.*510104"):
        await publish(db, done)
    published = await publish(db, done, above_bound=True)
    assert published.state is ArrangementState.PUBLISHED
    # What keeps those seats proves nothing, and needs no word.
    await enroll(db, UUID(int=99), "00003")
    assert (await publish(db, await arranged(db))).based_on == published.arrangement_id


async def test_too_few_rooms_fail_with_numbers(county: Database) -> None:
    """An arrangement that cannot be made says which slot needs how many rooms."""
    for number in range(21, 41):
        await enroll(county, UUID(int=number))
    arrangement = await arranged(county)
    assert arrangement.state is ArrangementState.FAILED
    assert arrangement.failure == "第1场需要2个考场，仅有1个"


@pytest.mark.parametrize("use", [RoomUse.RESERVE, RoomUse.CLOSED])
async def test_only_normal_rooms_are_arranged(county: Database, use: RoomUse) -> None:
    """A reserve and a closed room stay empty, and do not count as rooms that there are."""
    first, second = RoomPlan("001", 5, 6, use=use), RoomPlan("002", 4, 5)
    assert await apply(county, SESSION, [replace(SITE, rooms=(first, second))])
    await arranged(county)
    (seats,) = await sql(county, "SELECT array_agg(DISTINCT room_code) FROM tickets.seat")
    assert seats[0] == ["002"]
    await enroll(county, UUID(int=21))
    assert (await arranged(county)).failure == "第1场需要2个考场，仅有1个"


async def test_work_left_by_a_dead_process_is_taken_over(
    county: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A leased arrangement is given to nobody until its lease has passed, then to another.

    Whoever had it stores nothing, even if done before the heartbeat that says so.
    """
    monkeypatch.setattr("zikao_tickets.workers.arranging.HEARTBEAT_SECONDS", 600.0)
    started = await start(county)
    await everything_has_come(county)
    first = await lease(county)
    assert await lease(county) is None
    await sql(
        county,
        "UPDATE tickets.arrangement SET leased_until = clock_timestamp() - interval '1 second'",
    )
    second = await lease(county)
    assert first is not None
    assert second == (first.arrangement_id, first.attempt + 1)
    await worker(county).arrange(first)  # the dead one wakes up
    assert (await found(county, started.arrangement_id)).state is ArrangementState.RUNNING
    await worker(county).arrange(second)
    assert (await found(county, started.arrangement_id)).counts.sittings == 20
