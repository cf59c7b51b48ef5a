"""Batches of submissions against a real ledger."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from random import Random
from uuid import UUID, uuid4

import pytest
from support.enrollment_database import NOW, enrollment_database
from support.enrollment_seating import seat
from support.enrollment_sessions import FEE_FEN, small_session
from support.service_databases import MakeDatabase
from zikao_enrollment.domain.choices import Choice
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.wishes import Submission
from zikao_enrollment.store import Store
from zikao_kit.db import Database
from zikao_kit.errors import DomainError

SEATS = 30
CANDIDATES = 120
SESSION = small_session(SEATS)
COUNTIES = tuple(SESSION.county_by_code)


@pytest.fixture
async def database(make_database: MakeDatabase) -> AsyncIterator[Database]:
    """A ledger of 30 seats a county and slot, and 120 candidates."""
    async with enrollment_database(make_database, SESSION, CANDIDATES) as found:
        yield found


def submission(
    candidate: int, courses: str = "00001 00003", counties: tuple[str, ...] = COUNTIES
) -> Submission:
    """A submission of one candidate for courses written as words."""
    return Submission(uuid4(), UUID(int=candidate), Choice(tuple(courses.split()), counties))


async def submit(database: Database, *submissions: Submission) -> list[Order | DomainError]:
    """Submit a batch in a transaction of its own."""
    async with database.transaction() as transaction:
        store = Store(transaction)
        candidates = await store.candidates.lock({each.candidate_id for each in submissions})
        return list(await seat(store, SESSION, candidates, submissions, NOW))


async def ledger(database: Database) -> dict[tuple[str, int], tuple[int, int]]:
    """Held and confirmed seats by county and slot."""
    async with database.read() as transaction:
        rows = await transaction.fetch("list_seats")
    return {(row["county_code"], row["slot"]): (row["held"], row["confirmed"]) for row in rows}


async def test_a_held_order_says_all(database: Database) -> None:
    """The answer is the held order: county, courses by slot, fee, deadline; the ledger agrees."""
    (order,) = await submit(database, submission(1, "00003 00001"))
    assert isinstance(order, Order)
    assert (order.county_code, order.state) == (COUNTIES[0], OrderState.HELD)
    assert [course.course_code for course in order.courses] == ["00001", "00003"]
    assert order.fee_fen == 2 * FEE_FEN
    assert order.held_until == NOW + SESSION.hold
    assert (await ledger(database))[COUNTIES[0], 1] == (1, 0)
    async with database.transaction() as transaction:
        assert await Store(transaction).orders.lock_one(order.order_id) == order


async def test_refusals_stand_beside_orders(database: Database) -> None:
    """Each submission of a batch gets its own answer; a refusal leaves the others alone."""
    answers = await submit(
        database,
        submission(CANDIDATES + 1),
        submission(1),
        submission(1, "00003"),
        Submission(uuid4(), UUID(int=2)),
        submission(3, "00004"),
    )
    assert [getattr(answer, "reason", "held") for answer in answers] == [
        "NOT_ELIGIBLE",
        "held",
        "ALREADY_ENROLLED",
        "PLAN_MISSING",
        "COURSE_UNAVAILABLE",
    ]


async def test_a_course_is_added_in_the_same_county(database: Database) -> None:
    """A later order of another slot is had where the candidate sits, and nowhere else."""
    await submit(database, submission(1, "00001"))
    (elsewhere,) = await submit(database, submission(1, "00003", COUNTIES[1:]))
    (added,) = await submit(database, submission(1, "00003"))
    assert isinstance(elsewhere, DomainError)
    assert elsewhere.metadata == {"county_code": COUNTIES[0]}
    assert isinstance(added, Order)


async def test_a_rush_sells_every_seat_once(database: Database) -> None:
    """Batches that run at once, with one candidate in several, sell each seat exactly once."""
    chance = Random(221)
    crowd = [*range(1, CANDIDATES + 1)] * 2
    chance.shuffle(crowd)
    batches = [
        [
            submission(candidate, counties=tuple(chance.sample(COUNTIES, k=2)))
            for candidate in crowd[start : start + 20]
        ]
        for start in range(0, len(crowd), 20)
    ]
    answers = await asyncio.gather(*(submit(database, *batch) for batch in batches))
    orders = [answer for batch in answers for answer in batch if isinstance(answer, Order)]
    assert set(Counter(order.candidate_id for order in orders).values()) == {1}
    assert Counter(order.county_code for order in orders) == dict.fromkeys(COUNTIES, SEATS)
    assert set((await ledger(database)).values()) == {(SEATS, 0)}
