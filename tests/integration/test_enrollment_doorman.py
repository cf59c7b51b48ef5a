"""What is refused from memory: only what is surely sold out, to whom no order can be."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    apply_session,
    hold,
    open_enrollment,
    plan,
    plan_submission,
    submission,
    until_held,
)
from support.enrollment_portals import for_candidate, portal_stream, reasons
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2 as enrollment
from zikao.enrollment.v1 import order_service_pb2 as orders

FULL = "510104:1,2"


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Two seats a county and slot, six candidates."""
    async with open_enrollment(
        make_database, tmp_path, session=small_session(seats=2), candidates=6
    ) as found:
        yield found


async def until_seen(running: Installation, free: int) -> None:
    """Wait until so many seats of Jinjiang are seen to be free."""
    portal = await running.caller("portal")
    look = enrollment.GetAvailabilityRequest(session_code="22.1", county_prefix=JINJIANG)

    async def seen() -> bool:
        return {each.free for each in (await portal.call(look)).seats} == {free}

    await until(seen)


async def until_waiting(running: Installation) -> None:
    """Wait until somebody waits for a lock."""

    async def waits() -> bool:
        return bool(
            await running.rows(
                "SELECT FROM pg_stat_activity"
                " WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
        )

    await until(waits)


async def test_without_the_database(running: Installation) -> None:
    """Who has nothing is refused while nobody can lock a candidate; who may hope waits.

    By call and by stream, with what is full; a plan is not in memory, so it is looked up.
    """
    for number in (1, 2):
        await hold(running, number)
    await (await running.candidate(4)).call(plan())
    await until_seen(running, free=0)
    others = await asyncpg.connect(running.dsn)
    locks = others.transaction()
    await locks.start()
    async with portal_stream(running) as stream:
        await others.execute("SELECT FROM enrollment.candidate FOR UPDATE")
        person = await running.candidate(3)
        refused = await person.refused(submission())
        assert (refused.reason, refused.metadata["full"]) == ("SOLD_OUT", FULL)
        (streamed,) = await stream.ask(for_candidate(running, 3))
        assert (streamed.error.reason, streamed.error.metadata["full"]) == ("SOLD_OUT", FULL)
        await stream.send(for_candidate(running, 4, plan_submission()))
        await stream.send(for_candidate(running, 5, submission(counties=(JINJIANG, QINGYANG))))
        hopeful = asyncio.create_task(stream.results(2))
        await until_waiting(running)
        assert not hopeful.done()
        await locks.rollback()
        assert sorted(reasons((await hopeful).values())) == ["SOLD_OUT", "held"]
    await others.close()


async def test_whoever_has_an_order_is_judged_by_the_ledger(running: Installation) -> None:
    """The same request gets its first answer though all is full, from any process, by any way."""
    mine, theirs = submission(), submission()
    person, other = await running.candidate(1), await running.candidate(2)
    first = await person.call(mine)
    second = await other.call(theirs)
    await until_seen(running, free=0)
    assert await person.call(mine) == first
    assert (await person.refused(submission())).reason == "ALREADY_ENROLLED"
    # Another process knows of it from the database alone.
    await running.enrollment.stop()
    running.enrollment.start()
    await running.until_serving(running.enrollment)
    assert await person.call(mine) == first
    async with portal_stream(running) as stream:
        (again,) = await stream.ask(for_candidate(running, 2, theirs))
        assert again.enrollment.order == second.order
    assert (await (await running.candidate(3)).refused(submission())).reason == "SOLD_OUT"


async def test_a_freed_seat_is_had(running: Installation) -> None:
    """Who was refused from memory has the seat once it is free, with the same request too."""
    held = [await hold(running, number) for number in (1, 2)]
    await until_seen(running, free=0)
    person, request = await running.candidate(3), submission()
    assert (await person.refused(request)).reason == "SOLD_OUT"
    owner = await running.candidate(1)
    await owner.call(orders.CancelOrderRequest(request_id=new_id(), order_id=held[0].order_id))
    await until_seen(running, free=1)
    assert (await person.call(request)).order.county_code == JINJIANG
    await until_seen(running, free=0)
    cancel = orders.CancelOrderRequest(request_id=new_id(), order_id=held[1].order_id)
    await (await running.candidate(2)).call(cancel)
    assert (await until_held(running, 4)).county_code == JINJIANG


async def test_other_mistakes_come_first(running: Installation) -> None:
    """What is wrong with a choice is said, also when its county is full."""
    for number in (1, 2):
        await hold(running, number)
    await until_seen(running, free=0)
    person = await running.candidate(3)
    for courses, counties, reason in (
        (("00001", "00002"), (JINJIANG,), "SLOT_CONFLICT"),
        (("00001", "00003", "00002"), (JINJIANG,), "TOO_MANY_COURSES"),
        (("99999",), (JINJIANG,), "COURSE_UNAVAILABLE"),
        (("00004",), (JINJIANG,), "COURSE_UNAVAILABLE"),
        (("00001",), ("990000",), "COUNTY_UNAVAILABLE"),
        (("00001",), (JINJIANG,), "SOLD_OUT"),
    ):
        assert (await person.refused(submission(courses, counties))).reason == reason
    unknown = submission(session_code="99.1")
    assert (await person.refused(unknown)).reason == "SESSION_UNKNOWN"
    await apply_session(running, replace(small_session(seats=3), max_courses=1))
    assert (await person.refused(submission())).reason == "TOO_MANY_COURSES"
