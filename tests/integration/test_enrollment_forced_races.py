"""Two transactions at the worst moment, forced; and the same with what keeps them safe removed.

Everything that may go wrong is kept from it twice: by row locks in one order, and by the last
line, a CHECK or a key. Each alone is enough; without both the tests fail, so they can.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import count
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.enrollment_audit import violations
from support.enrollment_database import NOW
from support.enrollment_desks import change_entry, entry, order_of, still_desk
from support.enrollment_sessions import small_session
from support.races import (
    CANDIDATES,
    NO_CHECK,
    ORDERS,
    REAL,
    SEATS,
    SESSION,
    binding_anybody_again,
    deadlocks,
    execute,
    expire,
    meet,
    one_seat_each,
    reasons,
    without_locks,
)
from support.service_databases import MakeDatabase
from zikao_enrollment.commands.apply_session import apply_session
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.seats.desk import SPARE_SEATS, Desk, Entry
from zikao_enrollment.store import Store
from zikao_enrollment.stores.seats import SeatStore
from zikao_enrollment.stores.sessions import SessionStore
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries

JINJIANG, QINGYANG = tuple(SESSION.county_by_code)
# What keeps a candidate in one county and slot.
NO_KEYS = (
    "ALTER TABLE enrollment.enrollment ALTER county_code DROP NOT NULL",
    "ALTER TABLE enrollment.enrollment DROP CONSTRAINT enrollment_once_a_slot",
)


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A ledger of one seat a county and slot, and five candidates."""
    return await one_seat_each(make_database)


# The last seat, wanted by two.


# With SPARE_SEATS a batch locks the ledger before it decides; when one free seat is plenty, after.
EARLY_AND_LATE = pytest.mark.parametrize("spare_seats", [SPARE_SEATS, 0])


async def sell_the_last_seat(dsn: str, queries: Queries, spare_seats: int) -> None:
    """Two processes at once: exactly one candidate has it, the other hears that it is gone."""
    async with (
        still_desk(dsn, queries, spare_seats) as (_, _, one),
        still_desk(dsn, queries, spare_seats) as (_, _, other),
    ):
        answers = await meet(dsn, [SEATS], one.decide([entry(1)]), other.decide([entry(2)]))
    assert await violations(dsn) == {}
    assert reasons(answers) == ["held", "SOLD_OUT"]


@EARLY_AND_LATE
async def test_locks_alone_protect_the_last_seat(dsn: str, spare_seats: int) -> None:
    """The rows' locks need no CHECK behind them."""
    await execute(dsn, NO_CHECK)
    await sell_the_last_seat(dsn, REAL, spare_seats)


@EARLY_AND_LATE
async def test_the_check_alone_protects_the_last_seat(dsn: str, spare_seats: int) -> None:
    """Without locks the ledger refuses, and who was refused is decided by himself."""
    await sell_the_last_seat(dsn, without_locks("lock_seats", "take_seats"), spare_seats)


@EARLY_AND_LATE
async def test_without_both_the_last_seat_is_sold_twice(dsn: str, spare_seats: int) -> None:
    """Negative control: the same test finds the seat that was sold twice."""
    await execute(dsn, NO_CHECK)
    with pytest.raises(AssertionError, match="enrollment_no_seat_is_sold_twice"):
        await sell_the_last_seat(dsn, without_locks("lock_seats", "take_seats"), spare_seats)


# Two counties, wished for in opposite order.


async def cross(dsn: str) -> None:
    """Nobody comes to wait for who waits for him: who submits, and who changes counties."""
    there, back = (JINJIANG, QINGYANG), (QINGYANG, JINJIANG)
    async with still_desk(dsn) as (_, _, one), still_desk(dsn) as (_, _, other):
        submissions = await meet(
            dsn,
            [SEATS],
            one.decide([entry(1, ("00003",), there)]),
            other.decide([entry(2, ("00003",), back)]),
        )
        assert reasons(submissions) == ["held", "held"]
        await execute(dsn, "UPDATE enrollment.seat_ledger SET capacity = 2")
        first, second = await order_ids(dsn)
        changes = await meet(
            dsn,
            [SEATS],
            one.decide([change_entry(1, first, ("00003",), back[:1])]),
            other.decide([change_entry(2, second, ("00003",), there[:1])]),
        )
    assert reasons(changes) == ["held", "held"]
    assert await violations(dsn) == {}
    assert await deadlocks(dsn) == 0, "deadlock"


async def order_ids(dsn: str) -> list[UUID]:
    """All orders, by their candidates."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(
            "SELECT order_id FROM enrollment.enrollment_order ORDER BY candidate_id"
        )
    finally:
        await connection.close()
    return [row["order_id"] for row in rows]


async def test_wishes_may_cross(dsn: str) -> None:
    """Rows are locked in one order, whatever the order of the wish."""
    await cross(dsn)


async def test_a_wish_does_not_say_what_is_locked_first(dsn: str) -> None:
    """One waits for the first row; who names the other county first waits for that row, too.

    Had it the second row meanwhile, each would come to wait for the other.
    """
    first_row = f"{SEATS} WHERE county_code = '{JINJIANG}'"
    async with still_desk(dsn) as (_, _, one), still_desk(dsn) as (_, _, other):
        answers = await meet(
            dsn,
            [first_row],
            one.decide([entry(1, ("00003",), (JINJIANG, QINGYANG))]),
            other.decide([entry(2, ("00003",), (QINGYANG, JINJIANG))]),
        )
    assert reasons(answers) == ["held", "held"]
    assert await deadlocks(dsn) == 0, "deadlock"


@pytest.mark.parametrize("backwards", [2, 4], ids=["submissions", "changes"])
async def test_the_crossing_finds_locks_in_any_order(
    dsn: str, monkeypatch: pytest.MonkeyPatch, backwards: int
) -> None:
    """Negative control: of two that meet, the second locks backwards, and both wait for good."""
    both_have_one, turns = asyncio.Barrier(2), count(1)

    class CrossedSeats(SeatStore):
        async def lock(self, session_code: str, keys: Iterable[SeatKey]) -> dict[SeatKey, int]:
            free: dict[SeatKey, int] = {}
            ordered, turn = sorted(keys), next(turns)
            for key in reversed(ordered) if turn == backwards else ordered:
                free |= await super().lock(session_code, [key])
                if turn in (backwards - 1, backwards) and len(free) == 1:
                    await both_have_one.wait()
            return free

    class CrossedStore(Store):
        def __init__(self, tx: Transaction) -> None:
            super().__init__(tx)
            self.seats = CrossedSeats(tx)

    monkeypatch.setattr("zikao_enrollment.seats.desk.Store", CrossedStore)
    with pytest.raises(AssertionError, match="deadlock"):
        await cross(dsn)


# One order, changed by two processes.


async def change_twice(dsn: str, queries: Queries) -> None:
    """One change after the other: each gives back what the order has by then."""
    async with still_desk(dsn, queries) as (_, _, one), still_desk(dsn, queries) as (_, _, other):
        (answer,) = await one.decide([entry(1)])
        order_id = UUID(order_of(answer).order_id)
        answers = await meet(
            dsn,
            [ORDERS, CANDIDATES, SEATS],
            one.decide([change_entry(1, order_id, ("00001",))]),
            other.decide([change_entry(1, order_id, ("00003",))]),
        )
    assert await violations(dsn) == {}
    assert reasons(answers) == ["held", "held"]


async def test_an_order_changed_twice_at_once(dsn: str) -> None:
    """The order is locked before anybody looks at its seats."""
    await change_twice(dsn, REAL)


async def test_an_order_changed_twice_without_its_locks(dsn: str) -> None:
    """Negative control: the same seats are given back twice."""
    with pytest.raises(AssertionError, match="enrollment_no_seat_is_lost"):
        await change_twice(dsn, without_locks("lock_orders", "lock_candidates"))


# A candidate who submits while the own hold ends.


async def test_a_submission_while_the_hold_ends(dsn: str) -> None:
    """The submission comes first and adds to what is held; what has ended is released then.

    In its batch is somebody who wants the seat that will be free.
    """
    async with still_desk(dsn) as (db, _, desk):
        await desk.decide([entry(1, ("00001",))])
        batch = [entry(1, ("00003",)), entry(2, ("00001",))]
        answers = await meet(dsn, [SEATS], desk.decide(batch), db.run(expire))
        assert reasons(answers[:1]) == ["held"]
        assert not isinstance(answers[1], BaseException)
        assert reasons(await desk.decide([entry(2, ("00001",))])) == ["held"]
    assert await violations(dsn) == {}
    assert await deadlocks(dsn) == 0


# The capacity falls while a seat is taken.


async def lower_the_capacity(dsn: str, queries: Queries, spare_seats: int) -> None:
    """Seats are taken first: what is used cannot be taken away."""
    none = small_session(seats=0)
    async with still_desk(dsn, queries, spare_seats) as (db, _, desk):

        async def apply() -> None:
            async with db.transaction() as tx:
                await apply_session(SessionStore(tx), none, dry_run=False, now=NOW)

        answers = await meet(dsn, [SEATS], desk.decide([entry(1)]), apply())
    assert await violations(dsn) == {}
    assert reasons(answers[:1]) == ["held"]
    assert isinstance(answers[1], DomainError)
    assert answers[1].reason == "SESSION_CHANGE_REFUSED"


@EARLY_AND_LATE
async def test_capacity_does_not_fall_below_what_is_taken_meanwhile(
    dsn: str, spare_seats: int
) -> None:
    """Whoever changes a session locks its seats before looking at what is used."""
    await execute(dsn, NO_CHECK)
    await lower_the_capacity(dsn, REAL, spare_seats)


@EARLY_AND_LATE
async def test_the_same_without_the_ledgers_lock(dsn: str, spare_seats: int) -> None:
    """Negative control: without the lock and the CHECK there are fewer seats than people."""
    await execute(dsn, NO_CHECK)
    with pytest.raises(AssertionError, match="enrollment_no_seat_is_sold_twice"):
        await lower_the_capacity(dsn, without_locks("lock_all_seats"), spare_seats)


@EARLY_AND_LATE
async def test_the_check_alone_keeps_the_capacity(dsn: str, spare_seats: int) -> None:
    """Without the lock the ledger refuses: an error, and nothing is changed."""
    with pytest.raises(AssertionError, match="isinstance"):
        await lower_the_capacity(dsn, without_locks("lock_all_seats"), spare_seats)
    assert await violations(dsn) == {}


# One candidate at two processes.


async def submit_in_two_counties(dsn: str, queries: Queries) -> None:
    """One of them counts; the other process knows of it."""
    async with still_desk(dsn, queries) as (_, _, one), still_desk(dsn, queries) as (_, _, other):
        answers = await meet(
            dsn,
            [CANDIDATES, SEATS],
            one.decide([entry(1, counties=(JINJIANG,))]),
            other.decide([entry(1, counties=(QINGYANG,))]),
        )
    assert await violations(dsn) == {}
    assert sorted(reasons(answers)) == ["ALREADY_ENROLLED", "held"]


async def test_a_candidate_in_two_counties_at_once(dsn: str) -> None:
    """The candidate is locked before anybody looks at what is held; the keys are not needed."""
    await execute(dsn, *NO_KEYS)
    await submit_in_two_counties(dsn, REAL)


async def test_the_keys_alone_keep_a_candidate_in_one_county(dsn: str) -> None:
    """Without the lock the second order breaks a key, and is decided again."""
    await submit_in_two_counties(dsn, without_locks("lock_candidates"))


async def test_without_both_a_candidate_is_in_two_counties(dsn: str) -> None:
    """Negative control: the same test finds somebody who sits in two places."""
    await execute(dsn, *NO_KEYS)
    with pytest.raises(AssertionError, match="enrollment_nobody_is_in_two_places"):
        await submit_in_two_counties(dsn, binding_anybody_again(without_locks("lock_candidates")))


class AskingFirst(Desk):
    """Looks answers up before it decides, and never after."""

    def suspects(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """All."""
        return entries


async def send_twice(dsn: str, queries: Queries, kind: type[Desk] = Desk) -> None:
    """The same id at the same moment: one order, and the same answer to both."""
    wish = entry(1)
    again = wish._replace(wish=wish.wish._replace(order_id=uuid4()))
    async with (
        still_desk(dsn, queries, kind=kind) as (_, _, one),
        still_desk(dsn, queries, kind=kind) as (_, _, other),
    ):
        answers = await meet(dsn, [CANDIDATES, SEATS], one.decide([wish]), other.decide([again]))
    assert await violations(dsn) == {}
    assert reasons(answers) == ["held", "held"]
    assert answers[0] == answers[1]


async def test_one_request_at_two_processes(dsn: str) -> None:
    """Answers are looked up once the candidate is locked: to look again is not needed."""
    await send_twice(dsn, REAL, AskingFirst)


async def test_one_request_at_two_desks(dsn: str) -> None:
    """As they are, they give one answer, too."""
    await send_twice(dsn, REAL)


async def test_who_is_refused_is_looked_up_again(dsn: str) -> None:
    """Also where no candidate is locked: nobody hears of a refusal who has an answer."""
    await send_twice(dsn, without_locks("lock_candidates"))


async def test_the_same_request_without_the_candidates_lock(dsn: str) -> None:
    """Negative control: without both who holds the last seat is told that all are sold."""
    with pytest.raises(AssertionError, match="SOLD_OUT"):
        await send_twice(dsn, without_locks("lock_candidates"), AskingFirst)
