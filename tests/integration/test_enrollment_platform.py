"""A payment platform that is slow or breaks its contract: nobody but its payers notices."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from support.enrollment_people import (
    QINGYANG,
    hold,
    last_order,
    open_enrollment,
    payment_request,
    submission,
)
from support.enrollment_platform import OddPlatform, odd_platform
from support.enrollment_service import Installation
from support.enrollment_sessions import small_session
from support.service import Caller, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import types_pb2 as types
from zikao_enrollment.payment_gate import MAX_AT_ONCE, MAX_CALLS_OF_AN_ORDER, MAX_WAITING
from zikao_kit.error_table import reason_of

CROWD = MAX_AT_ONCE + MAX_WAITING + 6


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with seats for all, and a crowd of candidates."""
    session = small_session(seats=CROWD)
    async with open_enrollment(
        make_database, tmp_path, session=session, candidates=CROWD + 1
    ) as found:
        yield found


@pytest.fixture
async def platform(running: Installation) -> AsyncIterator[OddPlatform]:
    """In place of the sandbox's, and enrollment has reached it."""
    async with odd_platform(running) as found:
        await until_paying(running, CROWD + 1)
        yield found


async def until_paying(running: Installation, number: int, county: str = QINGYANG) -> types.Order:
    """Take seats and open their payment, as soon as the platform is reached; return the order."""
    order = await hold(running, number, counties=(county,))
    person = await running.candidate(number)

    async def opened() -> bool:
        try:
            await person.call(payment_request(order))
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "UNAVAILABLE":
                raise
            return False
        return True

    await until(opened)
    return order


async def outcome(person: Caller, order: types.Order) -> str:
    """The code of an order's payment, or why there is none."""
    try:
        return str((await person.call(payment_request(order))).payment_code)
    except grpc.aio.AioRpcError as error:
        return str(reason_of(error))


async def test_a_slow_platform_takes_no_places_of_others(
    running: Installation, platform: OddPlatform
) -> None:
    """A crowd pays at once: some are at the platform, as many wait, the rest comes again later."""
    people = [await running.candidate(number) for number in range(1, CROWD + 1)]
    orders = await asyncio.gather(*(hold(running, n) for n in range(1, CROWD + 1)))
    platform.answers_now.clear()
    paying = [asyncio.create_task(outcome(*each)) for each in zip(people, orders, strict=True)]
    await until(lambda: sum(task.done() for task in paying) == CROWD - MAX_AT_ONCE - MAX_WAITING)
    await until(lambda: platform.at_work == MAX_AT_ONCE)
    assert {task.result() for task in paying if task.done()} == {"OVERLOADED"}
    refused = await people[0].refused(submission())
    assert refused.reason == "ALREADY_ENROLLED"
    platform.answers_now.set()
    outcomes = Counter(await asyncio.gather(*paying))
    assert outcomes[platform.code] == MAX_AT_ONCE + MAX_WAITING


async def test_an_order_is_at_the_platform_once(
    running: Installation, platform: OddPlatform
) -> None:
    """Pressed again and again: the platform is asked once, and one too many is sent away."""
    order, person = await hold(running, 1), await running.candidate(1)
    platform.answers_now.clear()
    pressed = [
        asyncio.create_task(outcome(person, order)) for _ in range(MAX_CALLS_OF_AN_ORDER + 1)
    ]
    await until(lambda: any(task.done() for task in pressed))
    platform.answers_now.set()
    outcomes = Counter(await asyncio.gather(*pressed))
    assert outcomes == {platform.code: MAX_CALLS_OF_AN_ORDER, "OVERLOADED": 1}
    assert platform.asked.count(order.order_id) == 1
    assert (await last_order(running, 1)).payment_code == platform.code
