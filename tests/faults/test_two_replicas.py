"""Two processes of enrollment sell one county's seats to four times as many candidates."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import asyncpg
import grpc
from support.enrollment_audit import violations
from support.enrollment_database import NOW
from support.enrollment_people import JINJIANG, submission
from support.enrollment_replicas import Replicas, add_candidates, replicas
from support.enrollment_sessions import small_session
from support.races import deadlocks
from support.service import until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import enrollment_service_pb2_grpc as enrollment_grpc
from zikao_enrollment.views.boards import MAX_AGE_SECONDS
from zikao_kit.error_table import reason_of

CANDIDATES, SEATS, FREED = 20_000, 5_000, 100
AT_ONCE = 400
TIMEOUT_SECONDS = 30.0
LONGEST_PATIENCE_SECONDS = 0.03
AGAIN = {"OVERLOADED", "UNAVAILABLE"}
HELD = "held"


@dataclass
class Portal:
    """Calls either process in candidates' names."""

    stubs: list[Any]
    running: Replicas
    chance: Random

    async def ask(self, number: int) -> str:
        """Submit as people and bad networks do; "held" or the reason of the refusal at the end."""
        request, token = submission(), self.running.token(number)
        turn = self.chance.random()
        one, other = self.chance.sample(self.stubs, k=2)
        if turn < 0.1:
            await self._go_away(one, request, token)
            return await self._until_answered(other, request, token)
        if turn < 0.2:
            answers = await asyncio.gather(
                self._until_answered(one, request, token),
                self._until_answered(other, request, token),
            )
            assert answers[0] == answers[1], number
            return answers[0]
        answer = await self._until_answered(one, request, token)
        if turn < 0.25:
            again = await self._until_answered(other, submission(), token)
            assert again == ("ALREADY_ENROLLED" if answer == HELD else "SOLD_OUT"), number
        return answer

    async def _go_away(self, stub: Any, request: Any, token: str) -> None:
        """Call, and end the call before or after it was decided."""
        call = stub.SubmitEnrollment(request, timeout=TIMEOUT_SECONDS, metadata=_bearer(token))
        await asyncio.sleep(self.chance.random() * LONGEST_PATIENCE_SECONDS)
        call.cancel()

    async def _until_answered(self, stub: Any, request: Any, token: str) -> str:
        while True:
            call = stub.SubmitEnrollment(request, timeout=TIMEOUT_SECONDS, metadata=_bearer(token))
            try:
                await call
            except grpc.aio.AioRpcError as error:
                reason = reason_of(error) or error.code().name
                if reason not in AGAIN:
                    return reason
                stub = self.chance.choice(self.stubs)
            else:
                return HELD

    async def ask_for_all(self, numbers: list[int]) -> Mapping[int, str]:
        """The answers to many, AT_ONCE at a time."""
        answers, waiting = {}, iter(numbers)

        async def work() -> None:
            for number in waiting:
                answers[number] = await self.ask(number)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return answers


def _bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


async def test_every_seat_once(make_database: MakeDatabase, tmp_path: Path) -> None:
    """Exactly the seats are held, nobody twice, no deadlock; seats that come back can be had.

    Some go away and come again to the other process, some ask both at once, some ask twice.
    """
    dsn = await make_database("enrollment")
    async with replicas(dsn, tmp_path, small_session(SEATS), NOW) as running:
        await add_candidates(dsn, range(1, CANDIDATES + 1))
        callers = await running.connect()
        stubs = [enrollment_grpc.EnrollmentServiceStub(caller.channel) for caller in callers]
        portal = Portal(stubs, running, Random(221))
        numbers = list(range(1, CANDIDATES + 1))
        portal.chance.shuffle(numbers)
        answers = await portal.ask_for_all(numbers)
        assert Counter(answers.values()) == {HELD: SEATS, "SOLD_OUT": CANDIDATES - SEATS}
        assert await held(dsn) == {SEATS}
        assert await holders(dsn) == {n for n, answer in answers.items() if answer == HELD}
        assert await violations(dsn) == {}

        await end_holds(dsn, FREED)
        # Whoever remembers for longer that all is sold refuses what can be had.
        await asyncio.sleep(MAX_AGE_SECONDS)
        late = [n for n, answer in answers.items() if answer == "SOLD_OUT"][:FREED]
        assert set((await portal.ask_for_all(late)).values()) == {HELD}
        assert await held(dsn) == {SEATS}
        assert await violations(dsn) == {}
    assert await deadlocks(dsn) == 0


async def held(dsn: str) -> set[int]:
    """Held seats of the county's slots."""
    rows = await _rows(
        dsn, "SELECT held FROM enrollment.seat_ledger WHERE county_code = $1", JINJIANG
    )
    return {row["held"] for row in rows}


async def holders(dsn: str) -> set[int]:
    """Numbers of the candidates who have an order; nobody has two."""
    rows = await _rows(dsn, "SELECT candidate_id FROM enrollment.enrollment_order")
    numbers = [row["candidate_id"].int for row in rows]
    assert len(numbers) == len(set(numbers))
    return set(numbers)


async def end_holds(dsn: str, count: int) -> None:
    """Let some holds end, and wait until both processes together have given the seats back."""
    ended = await _rows(
        dsn,
        "UPDATE enrollment.enrollment_order SET held_until = $1 WHERE order_id IN"
        " (SELECT order_id FROM enrollment.enrollment_order ORDER BY order_id LIMIT $2)"
        " RETURNING order_id",
        NOW,
        count,
    )

    async def given_back() -> bool:
        return await held(dsn) == {SEATS - count}

    await until(given_back)
    moves = await _rows(
        dsn,
        "SELECT order_id, action FROM enrollment.order_event"
        " WHERE order_id = ANY ($1) AND from_state IS NOT NULL",
        [row["order_id"] for row in ended],
    )
    assert len(moves) == len(set(moves)) == 2 * count  # closed once, released once


async def _rows(dsn: str, sql: str, *args: object) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetch(sql, *args)
    finally:
        await connection.close()
