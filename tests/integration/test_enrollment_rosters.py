"""Rosters and statistics, over their RPCs."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from support.clocks import FixedClock
from support.enrollment_database import NOW
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    candidate_id,
    events,
    hold,
    open_enrollment,
    pay,
    payment_code,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import TIMEOUT_SECONDS, Caller
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import roster_service_pb2 as pb
from zikao.enrollment.v1 import statistics_service_pb2 as statistics
from zikao_enrollment.commands.read_roster import PAGE_SIZE
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.statistics import count_figures
from zikao_kit.config import DatabaseConfig
from zikao_kit.counting import Counting
from zikao_kit.db import Database
from zikao_kit.queries import Queries

COUNTY = statistics.STATISTICS_GROUPING_COUNTY
SLOT = statistics.STATISTICS_GROUPING_SLOT
COURSE = statistics.STATISTICS_GROUPING_COURSE
COUNTY_COURSE = statistics.STATISTICS_GROUPING_COUNTY_COURSE


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with seats for all, three candidates."""
    async with open_enrollment(make_database, tmp_path, session=small_session(2000)) as found:
        yield found


async def confirm(running: Installation, number: int, **wish: Any) -> None:
    """Candidate `number` takes seats and pays."""
    order = await hold(running, number, **wish)
    await pay(running, await payment_code(running, number, order))
    await until_state(running, number, "CONFIRMED")


async def parts(caller: Caller, request: Any) -> list[Any]:
    """All parts of a stream."""
    return [part async for part in caller.start(request, timeout=TIMEOUT_SECONDS)]


def roster(prefix: str = "", cursor: str = "") -> pb.StreamRosterRequest:
    """Who is enrolled."""
    return pb.StreamRosterRequest(session_code="22.1", county_prefix=prefix, cursor=cursor)


def export(prefix: str = "", cursor: str = "") -> pb.ExportRosterRequest:
    """The same as a file."""
    return pb.ExportRosterRequest(session_code="22.1", county_prefix=prefix, cursor=cursor)


async def enroll_many(running: Installation, count: int) -> list[str]:
    """Confirmed orders of so many candidates, as the database keeps them; their ids in order."""
    people = sorted(uuid4() for _ in range(count))
    connection = await asyncpg.connect(running.dsn)
    try:
        await connection.executemany(
            "INSERT INTO enrollment.enrollment_order (order_id, session_code, candidate_id,"
            " county_code, slots, course_codes, state, fee_fen, held_until, created_at)"
            " VALUES ($1, '22.1', $2, $3, '{2,1}', '{00003,00001}', 'confirmed', 7000, $4, $4)",
            [(uuid4(), person, QINGYANG, NOW) for person in people],
        )
    finally:
        await connection.close()
    return list(map(str, people))


async def test_the_roster_has_the_paid_ones_alone(running: Installation) -> None:
    """With all their courses by slot; the feed goes on where the roster ends."""
    await confirm(running, 1, courses=("00001",))
    await confirm(running, 1, courses=("00003",))
    await confirm(running, 2, courses=("00003",), counties=(QINGYANG,))
    third = await hold(running, 3)
    reader = await running.caller("roster-reader")
    (answer,) = await parts(reader, roster())
    assert [(each.county_code, each.candidate_id) for each in answer.entries] == [
        (JINJIANG, candidate_id(1)),
        (QINGYANG, candidate_id(2)),
    ]
    assert [(c.course_code, c.slot) for c in answer.entries[0].courses] == [
        ("00001", 1),
        ("00003", 2),
    ]
    county = await running.officer(QINGYANG)
    (of_county,) = await parts(county, roster(QINGYANG))
    assert [each.candidate_id for each in of_county.entries] == [candidate_id(2)]
    assert (await county.refused(roster())).reason == "OUT_OF_SCOPE"
    await pay(running, await payment_code(running, 3, third))
    await until_state(running, 3, "CONFIRMED")
    after = await events(running, answer.feed_cursor, at_least=1)
    assert candidate_id(3) in [each.candidate_id for each in after]
    assert candidate_id(1) not in [each.candidate_id for each in after]
    (nothing,) = await parts(reader, roster(cursor=answer.cursor))
    assert [each.candidate_id for each in nothing.entries] == []
    assert nothing.as_of == answer.as_of


async def test_a_roster_is_gone_on_with(running: Installation) -> None:
    """In parts that follow each other; from each cursor the rest comes, nobody twice."""
    people = await enroll_many(running, 2 * PAGE_SIZE + 1)
    reader = await running.caller("roster-reader")
    answers = await parts(reader, roster("5101"))
    assert [len(each.entries) for each in answers] == [PAGE_SIZE, PAGE_SIZE, 1]
    assert [entry.candidate_id for each in answers for entry in each.entries] == people
    rest = await parts(reader, roster("5101", answers[0].cursor))
    assert rest == answers[1:]
    for bad in (roster("", answers[0].cursor), roster("5101", "x")):
        refused = await reader.refused(bad)
        assert [each.field for each in refused.fields] == ["cursor"]
    unknown = pb.StreamRosterRequest(session_code="99.1")
    assert (await reader.refused(unknown)).reason == "SESSION_UNKNOWN"


async def test_the_roster_is_a_file(running: Installation) -> None:
    """Its parts, appended, are a CSV file, also those that came after a cut."""
    people = await enroll_many(running, PAGE_SIZE + 1)
    operator = await running.operator()
    answers = await parts(operator, export())
    assert [each.candidates for each in answers] == [PAGE_SIZE, 1]
    assert {each.total_candidates for each in answers} == {PAGE_SIZE + 1}
    (rest,) = await parts(operator, export(cursor=answers[0].cursor))
    lines = (answers[0].csv + rest.csv).decode("utf-8-sig").splitlines()
    assert lines[0] == "考次,区县代码,区县名称,考生编号,场次,课程代码,课程名称"
    assert lines[1] == f"22.1,510105,青羊区,{people[0]},1,00001,大学语文"
    assert lines[2] == f"22.1,510105,青羊区,{people[0]},2,00003,英语（二）"
    assert len(lines) == 1 + 2 * len(people)


def asked(grouping: Any, prefix: str = "") -> statistics.GetStatisticsRequest:
    """Numbers of an area."""
    return statistics.GetStatisticsRequest(
        session_code="22.1", county_prefix=prefix, grouping=grouping
    )


async def test_statistics_are_those_of_the_ledger(running: Installation) -> None:
    """Held and paid by county, slot and course, with fees; the same for seconds, as it says."""
    await confirm(running, 1)
    await hold(running, 2, courses=("00003",))
    await hold(running, 3, courses=("00001",), counties=(QINGYANG,))
    city = await running.officer("5101")
    answer = await city.call(asked(COUNTY, "5101"))
    jinjiang, qingyang = answer.rows
    assert (jinjiang.county_code, jinjiang.candidates, jinjiang.confirmed_candidates) == (
        JINJIANG,
        2,
        1,
    )
    assert (jinjiang.held, jinjiang.confirmed) == (1, 2)
    assert (jinjiang.held_fen, jinjiang.confirmed_fen) == (FEE_FEN, 2 * FEE_FEN)
    assert (qingyang.candidates, qingyang.held, qingyang.capacity) == (1, 1, 4000)
    slots = (await city.call(asked(SLOT, "5101"))).rows
    rows = await running.rows(
        "SELECT slot, sum(capacity) AS capacity, sum(held) AS held, sum(confirmed) AS confirmed"
        " FROM enrollment.seat_ledger GROUP BY slot ORDER BY slot"
    )
    assert [(each.slot, each.capacity, each.held, each.confirmed) for each in slots] == [
        tuple(row.values()) for row in rows
    ]
    courses = (await city.call(asked(COURSE, "5101"))).rows
    assert {each.course_code: each.candidates for each in courses} == {"00001": 2, "00003": 2}
    county = await running.officer(QINGYANG)
    own = await county.call(asked(COUNTY, QINGYANG))
    assert own.rows == [qingyang]
    assert own.as_of == answer.as_of
    assert (await county.refused(asked(COUNTY))).reason == "OUT_OF_SCOPE"
    detail = asked(COUNTY_COURSE, QINGYANG)
    assert (await county.refused(detail)).reason == "INVALID_REQUEST"
    (part,) = await parts(
        county,
        statistics.ExportStatisticsRequest(
            session_code="22.1", county_prefix=QINGYANG, grouping=COUNTY_COURSE
        ),
    )
    assert (part.rows, part.total_rows) == (1, 1)
    assert "青羊区,1,00001,大学语文,,1,0,1,0,35.00,0.00" in part.csv.decode("utf-8-sig")


async def test_who_asks_meanwhile_waits_for_the_same_numbers(running: Installation) -> None:
    """One counting for all, which goes on when the first who asked has gone; then it is kept."""
    config = DatabaseConfig(dsn=running.dsn)
    async with await Database.connect(config, Queries.load(PACKAGE)) as db:
        counted = Counting(db, FixedClock(NOW), count_figures, keep_seconds=60.0)
        first = asyncio.create_task(counted.figures("22.1"))
        others = [asyncio.create_task(counted.figures("22.1")) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(*others)
        assert {id(each) for each in found} == {id(await counted.figures("22.1"))}
        assert found[0].as_of == NOW
