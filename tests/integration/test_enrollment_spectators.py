"""Many look at the same seats: messages are made once, and nobody's slowness is kept for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from support.clocks import FixedClock
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_people import JINJIANG, QINGYANG
from support.enrollment_sessions import small_session
from support.serialized_answers import read
from support.service_databases import MakeDatabase
from zikao.enrollment.v1.availability_service_pb2 import WatchAvailabilityResponse
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.allocation import SeatChange, SeatKey
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.seats import SeatStore
from zikao_enrollment.stores.sessions import SessionStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.views.spectators import Spectators
from zikao_kit.background import repeat, running
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

SESSION = small_session(seats=5)


@asynccontextmanager
async def spectating(
    make_database: MakeDatabase, max_silence_seconds: float = 20.0
) -> AsyncIterator[tuple[Database, Boards, Spectators]]:
    """A database with the small session, whose board is read when a test says so."""
    async with enrollment_database(make_database, SESSION, 0) as database:
        boards = Boards(database, FixedClock(NOW))
        await boards.refresh()
        spectators = Spectators(boards, max_silence_seconds)
        async with running(repeat("availability", spectators.work, 0.0)):
            await asyncio.sleep(0)
            yield database, boards, spectators


async def hold(database: Database, county: str, slot: int) -> None:
    """Take one seat of the ledger."""
    async with database.transaction() as tx:
        await SeatStore(tx).change("22.1", {SeatKey(county, slot): SeatChange(1, 0)})


async def apply(database: Database, session: Session) -> None:
    """Apply a session."""
    async with database.transaction() as tx:
        await apply_session(SessionStore(tx), session, dry_run=False, now=NOW)


def rows(answer: Any) -> tuple[bool, list[tuple[str, int, int]]]:
    """Whether it is the whole table, and (county, slot, held) of its rows."""
    message = read(answer, WatchAvailabilityResponse)
    return message.full, [(row.county_code, row.slot, row.held) for row in message.seats]


async def test_a_change_is_made_once_for_all_who_look(make_database: MakeDatabase) -> None:
    """Each gets the table, then one and the same message with the rows that are others now."""
    async with spectating(make_database) as (database, boards, spectators):
        streams = [spectators.watch("22.1", "51") for _ in range(200)]
        tables = await asyncio.gather(*map(anext, streams))
        assert rows(tables[0]) == (
            True,
            [(JINJIANG, 1, 0), (JINJIANG, 2, 0), (QINGYANG, 1, 0), (QINGYANG, 2, 0)],
        )
        assert all(table is tables[0] for table in tables)
        following = [asyncio.ensure_future(anext(stream)) for stream in streams]
        await asyncio.sleep(0)
        await hold(database, QINGYANG, 2)
        await boards.refresh()
        changes = await asyncio.gather(*following)
        assert rows(changes[0]) == (False, [(QINGYANG, 2, 1)])
        assert all(change is changes[0] for change in changes)


async def test_who_misses_a_message_gets_the_whole_table(make_database: MakeDatabase) -> None:
    """Nothing is kept for a slow reader: the newest state comes in place of what was missed."""
    async with spectating(make_database) as (database, boards, spectators):
        quick, slow = spectators.watch("22.1", JINJIANG), spectators.watch("22.1", JINJIANG)
        await anext(quick)
        await anext(slow)
        for held in (1, 2):
            await hold(database, JINJIANG, 1)
            coming = asyncio.ensure_future(anext(quick))
            await asyncio.sleep(0)
            await boards.refresh()
            assert rows(await coming) == (False, [(JINJIANG, 1, held)])
        assert rows(await anext(slow)) == (True, [(JINJIANG, 1, 2), (JINJIANG, 2, 0)])
        await hold(database, JINJIANG, 2)
        await boards.refresh()
        assert rows(await anext(slow)) == (False, [(JINJIANG, 2, 1)])


async def test_rows_that_go_bring_the_whole_table(make_database: MakeDatabase) -> None:
    """A county that the session has no more is not left standing with those who look."""
    async with spectating(make_database) as (database, boards, spectators):
        stream = spectators.watch("22.1", "")
        await anext(stream)
        await apply(database, replace(SESSION, counties=SESSION.counties[:1]))
        await boards.refresh()
        assert rows(await anext(stream)) == (True, [(JINJIANG, 1, 0), (JINJIANG, 2, 0)])


async def test_where_no_county_is_nobody_looks(make_database: MakeDatabase) -> None:
    """Prefixes that somebody has made up are refused: each view costs every board."""
    async with spectating(make_database) as (_, _, spectators):
        for prefix in ("99", "5107", "510199"):
            with pytest.raises(DomainError, match="INVALID_REQUEST"):
                await anext(spectators.watch("22.1", prefix))
        assert spectators.watched == 0


async def test_old_seats_are_not_shown(make_database: MakeDatabase) -> None:
    """Nobody is let in, or told anything, while the ledger cannot be read; then streams end."""
    async with spectating(make_database, max_silence_seconds=1.5) as (_, boards, spectators):
        stream = spectators.watch("22.1", "")
        await anext(stream)
        coming = asyncio.ensure_future(anext(stream))
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            await coming
        assert not boards.is_fresh()
        with pytest.raises(DomainError, match="UNAVAILABLE"):
            await anext(spectators.watch("22.1", ""))
        await boards.refresh()
        assert rows(await anext(spectators.watch("22.1", "")))[0]


async def test_who_leaves_leaves_nothing_behind(make_database: MakeDatabase) -> None:
    """A caller that goes while it waits is forgotten, and the others are told all the same."""
    async with spectating(make_database) as (database, boards, spectators):
        staying, leaving = spectators.watch("22.1", ""), spectators.watch("22.1", "")
        await asyncio.gather(anext(staying), anext(leaving))
        coming, going = (asyncio.ensure_future(anext(each)) for each in (staying, leaving))
        await asyncio.sleep(0)
        going.cancel()
        with suppress(asyncio.CancelledError):
            await going
        await hold(database, JINJIANG, 1)
        await boards.refresh()
        assert rows(await coming) == (False, [(JINJIANG, 1, 1)])
        await staying.aclose()
        assert spectators.watched == 0
