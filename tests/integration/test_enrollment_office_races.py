"""Offices change what two processes sell at the same moment; and the proof that it can fail."""

import asyncio
from datetime import timedelta
from random import Random
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_desks import Instance, entry, instance
from support.enrollment_sessions import small_session
from support.service import until
from support.service_databases import MakeDatabase
from zikao_enrollment.commands.propose_action import propose_action
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.office_acts import (
    Act,
    ChangeCapacities,
    CloseEnrollment,
    OfficeAction,
    Proposal,
)
from zikao_enrollment.store import OfficeStore
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries
from zikao_kit.tokens import Actor

COUNTY = "510104"
SEATS = 60
CANDIDATES = 400
SESSION = small_session(SEATS)
# Small, so that many transactions want the same rows.
MAX_BATCH = 10
OFFICER = Actor(str(uuid4()), "county_officer", COUNTY)
UNLOCKED = Queries(
    "test",
    {
        "ledger": "SELECT county_code, slot, capacity, held, confirmed"
        " FROM enrollment.seat_ledger WHERE session_code = $1"
    },
)


class CarelessSessions(SessionStore):
    """Looks at the ledger without locking it: the mistake that the tests must find."""

    looked = asyncio.Event()
    may_go_on = asyncio.Event()

    async def lock_ledger(self, session_code: str) -> dict[SeatKey, SeatCount]:
        """All seats as they were a moment ago."""
        rows = await self._tx.using(UNLOCKED).fetch("ledger", session_code)
        self.looked.set()
        await self.may_go_on.wait()
        return {SeatKey(*row[:2]): SeatCount(*row[2:]) for row in rows}


async def prepared(make_database: MakeDatabase) -> str:
    """DSN of a database with the session and its candidates, and without the last line."""
    made: list[str] = []

    async def make(service: str) -> str:
        made.append(await make_database(service))
        return made[0]

    async with enrollment_database(make, SESSION, CANDIDATES):
        await rows(
            made[0],
            "ALTER TABLE enrollment.seat_ledger DROP CONSTRAINT seat_ledger_never_oversold",
        )
        return made[0]


async def rows(dsn: str, sql: str) -> list[Any]:
    """What is in the database."""
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(sql))
    finally:
        await connection.close()


async def do(instance: Instance, act: Act) -> OfficeAction:
    """An officer of the county does something through one of the processes."""
    proposal = Proposal("22.1", COUNTY, act)
    lifetime = timedelta(hours=1)
    return await instance.db.run(
        lambda tx: propose_action(
            OfficeStore(tx), uuid4(), proposal, actor=OFFICER, lifetime=lifetime, now=NOW
        )
    )


async def is_done(instance: Instance, act: Act) -> bool:
    """Try it; False where what is used does not allow it."""
    try:
        await do(instance, act)
    except DomainError as refused:
        if refused.reason != "SESSION_CHANGE_REFUSED":
            raise
        return False
    return True


async def rush(instances: list[Instance], numbers: range, seconds: float) -> list[str]:
    """Candidates come one after another; why each was refused, "" for a seat."""
    chance = Random(221)

    async def come(number: int) -> str:
        await asyncio.sleep(chance.random() * seconds)
        try:
            await chance.choice(instances).submit(entry(number))
        except DomainError as refusal:
            return refusal.reason
        return ""

    return list(await asyncio.gather(*map(come, numbers)))


async def orders_in(dsn: str) -> int:
    """How many orders there are."""
    (row,) = await rows(dsn, "SELECT count(*) FROM enrollment.enrollment_order")
    count: int = row["count"]
    return count


async def used_of(dsn: str) -> list[tuple[int, int]]:
    """(capacity, used) of the county's slots."""
    found = await rows(
        dsn,
        "SELECT capacity, held + confirmed AS used FROM enrollment.seat_ledger"
        f" WHERE county_code = '{COUNTY}' ORDER BY slot",
    )
    return [(row["capacity"], row["used"]) for row in found]


async def lower_while_they_come(dsn: str) -> list[list[tuple[int, int]]]:
    """Seats go up, and down to what seems to be used, during a rush: how it was after each."""
    seen = []
    async with instance(dsn, MAX_BATCH) as one, instance(dsn, MAX_BATCH) as other:
        rushing = asyncio.create_task(rush([one, other], range(1, CANDIDATES), 1.0))
        while not rushing.done():
            used = max(used for _, used in await used_of(dsn))
            for capacity in (used + 20, used + 1):
                seats = tuple((SeatKey(COUNTY, slot), capacity) for slot in (1, 2))
                if await is_done(other, ChangeCapacities(seats)):
                    seen.append(await used_of(dsn))
        await rushing
    return seen


async def test_seats_fall_no_lower_than_what_is_sold_meanwhile(make_database: MakeDatabase) -> None:
    """Two processes sell while an office lowers: without the CHECK, too, no seat is oversold."""
    dsn = await prepared(make_database)
    seen = await lower_while_they_come(dsn)
    assert len(seen) > 1
    assert all(used <= capacity for each in seen for capacity, used in each)
    assert all(0 < used <= capacity for capacity, used in await used_of(dsn))


async def test_looking_without_locking_lowers_seats_below_what_is_sold(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: what is sold between an office's look and its change is not seen."""
    dsn = await prepared(make_database)
    monkeypatch.setattr("zikao_enrollment.store.SessionStore", CarelessSessions)
    nothing = ChangeCapacities(((SeatKey(COUNTY, 1), 0), (SeatKey(COUNTY, 2), 0)))
    async with instance(dsn, MAX_BATCH) as one, instance(dsn, MAX_BATCH) as other:
        lowering = asyncio.create_task(do(other, nothing))
        await CarelessSessions.looked.wait()
        await rush([one], range(1, 10), 0.0)
        CarelessSessions.may_go_on.set()
        await lowering
    found = await rows(dsn, "SELECT held, capacity FROM enrollment.seat_ledger")
    assert any(row["held"] > row["capacity"] for row in found)


async def test_a_closing_that_is_answered_is_in_force(make_database: MakeDatabase) -> None:
    """No process takes anybody after it, however old its board and full its batches are."""
    dsn = await prepared(make_database)
    async with instance(dsn, MAX_BATCH) as one, instance(dsn, MAX_BATCH) as other:
        rushing = asyncio.create_task(rush([one, other], range(1, SEATS), 1.0))
        await until(lambda: orders_in(dsn))
        await do(other, CloseEnrollment("", "考点维修"))
        taken = await orders_in(dsn)
        late = await rush([one, other], range(SEATS, SEATS + 10), 0.0)
        reasons = await rushing
    assert await orders_in(dsn) == taken
    assert reasons.count("") == taken
    assert {*reasons, *late} - {""} == set(late) == {"COUNTY_UNAVAILABLE"}
