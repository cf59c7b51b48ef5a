"""Two processes sell a few seats to several hundred candidates; and the proof that it can fail."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable
from random import Random
from uuid import UUID, uuid4

import asyncpg
import pytest
from support.enrollment_database import enrollment_database
from support.enrollment_desks import Instance, entry, instance
from support.enrollment_sessions import small_session
from support.races import deadlocks
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.seats.desk import SPARE_SEATS, Entry
from zikao_enrollment.store import Store
from zikao_enrollment.stores.seats import SeatStore
from zikao_kit.db import Transaction
from zikao_kit.errors import DomainError
from zikao_kit.queries import Queries

SEATS = 20
CANDIDATES = 300
FEW = 150
SESSION = small_session(SEATS)
COUNTIES = tuple(SESSION.county_by_code)
COURSES = (("00001",), ("00003",), ("00001", "00003"), ("00002", "00003"))
# Small, so that many transactions want the same rows.
MAX_BATCH = 15
UNLOCKED = Queries(
    "test",
    {
        "free": "SELECT county_code, slot, capacity - held - confirmed AS free"
        " FROM enrollment.seat_ledger WHERE session_code = $1"
    },
)
Answer = types_pb2.Order | DomainError


class CarelessSeats(SeatStore):
    """Looks at the seats without locking them: the mistake that the rush must find."""

    async def lock(self, session_code: str, keys: Iterable[SeatKey]) -> dict[SeatKey, int]:
        """Free seats as they were a moment ago."""
        rows = await self._tx.using(UNLOCKED).fetch("free", session_code)
        await asyncio.sleep(0.01)
        free = {SeatKey(row["county_code"], row["slot"]): row["free"] for row in rows}
        return {key: free[key] for key in keys}


class CarelessStore(Store):
    """The service's stores with careless seats."""

    def __init__(self, tx: Transaction) -> None:
        super().__init__(tx)
        self.seats = CarelessSeats(tx)


def wishes(chance: Random, candidates: int) -> list[Entry]:
    """Each candidate once to three times, some of them the very same request again."""
    entries = []
    for number in range(1, candidates + 1):
        request_id = uuid4()
        wish = (chance.choice(COURSES), tuple(chance.sample(COUNTIES, k=chance.randint(1, 2))))
        entries.append(entry(number, *wish, request_id=request_id))
        for _ in range(chance.randint(0, 2)):
            again = request_id if chance.random() < 0.5 else uuid4()
            entries.append(entry(number, *wish, request_id=again))
    chance.shuffle(entries)
    return entries


async def submit(chosen: Instance, wish: Entry, delay_seconds: float) -> Answer:
    """Come at some time, and take what is answered."""
    await asyncio.sleep(delay_seconds)
    try:
        return await chosen.submit(wish)
    except DomainError as refusal:
        return refusal


async def rush(
    dsn: str, candidates: int = CANDIDATES, spare_seats: int = SPARE_SEATS
) -> list[tuple[Entry, Answer]]:
    """Everybody comes at once to one of two processes."""
    chance = Random(221)
    entries = wishes(chance, candidates)
    async with (
        instance(dsn, MAX_BATCH, spare_seats) as one,
        instance(dsn, MAX_BATCH, spare_seats) as other,
    ):
        answers = await asyncio.gather(
            *(submit(chance.choice((one, other)), e, chance.random() / 2) for e in entries)
        )
    return list(zip(entries, answers, strict=True))


async def prepared(make_database: MakeDatabase) -> str:
    """DSN of a database with the session and its candidates."""
    made: list[str] = []

    async def make(service: str) -> str:
        made.append(await make_database(service))
        return made[0]

    async with enrollment_database(make, SESSION, CANDIDATES):
        return made[0]


async def rows(dsn: str, sql: str, *args: object) -> list[asyncpg.Record]:
    """What is in the database."""
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql, *args)
    finally:
        await connection.close()


async def held(dsn: str) -> list[int]:
    """Held seats of every ledger row."""
    found = await rows(dsn, "SELECT held FROM enrollment.seat_ledger")
    return [row["held"] for row in found]


@pytest.mark.parametrize("spare_seats", [SPARE_SEATS, 0], ids=["locked first", "locked last"])
async def test_exactly_the_seats_are_sold(make_database: MakeDatabase, spare_seats: int) -> None:
    """Every seat once, nobody twice, each answer true and the same again, and no deadlock."""
    dsn = await prepared(make_database)
    answered = await rush(dsn, spare_seats=spare_seats)
    assert await held(dsn) == [SEATS] * 4
    sittings = await rows(dsn, "SELECT county_code, slot FROM enrollment.sitting")
    assert set(Counter(map(tuple, sittings)).values()) == {SEATS}
    orders = [answer for _, answer in answered if isinstance(answer, types_pb2.Order)]
    stored = await rows(dsn, "SELECT order_id, candidate_id FROM enrollment.enrollment_order")
    assert {UUID(order.order_id) for order in orders} == {row["order_id"] for row in stored}
    assert max(Counter(row["candidate_id"] for row in stored).values()) == 1
    for answers in by_request(answered).values():
        held_orders = [each for each in answers if isinstance(each, types_pb2.Order)]
        assert not held_orders or answers == held_orders[:1] * len(answers)
    refusals = {answer.reason for _, answer in answered if isinstance(answer, DomainError)}
    assert refusals == {"SOLD_OUT", "ALREADY_ENROLLED"}
    assert await deadlocks(dsn) == 0


async def test_the_rush_finds_seats_that_are_not_locked(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: without row locks, and without the last line, seats are sold twice."""
    dsn = await prepared(make_database)
    await rows(
        dsn,
        "ALTER TABLE enrollment.seat_ledger DROP CONSTRAINT seat_ledger_never_oversold",
    )
    monkeypatch.setattr("zikao_enrollment.seats.desk.Store", CarelessStore)
    await rush(dsn)
    assert max(await held(dsn)) > SEATS


async def test_the_last_line_holds_whatever_is_decided(
    make_database: MakeDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same mistake with the ledger's CHECK in place: not one seat too many is sold."""
    dsn = await prepared(make_database)
    monkeypatch.setattr("zikao_enrollment.seats.desk.Store", CarelessStore)
    await rush(dsn, FEW)
    assert max(await held(dsn)) <= SEATS


def by_request(answered: list[tuple[Entry, Answer]]) -> dict[object, list[Answer]]:
    """The answers to each request id."""
    found: defaultdict[object, list[Answer]] = defaultdict(list)
    for each, answer in answered:
        found[each.key].append(answer)
    return found
