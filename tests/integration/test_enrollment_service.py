"""The way of a candidate through a running enrollment service, over mutual TLS."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.enrollment_people import (
    COURSES,
    JINJIANG,
    candidate_id,
    events,
    open_enrollment,
    pay,
    payment_code,
    plan,
    plan_submission,
    seats,
    until_state,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN
from support.service_databases import MakeDatabase


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session with two seats a county and slot, three candidates, registration away."""
    async with open_enrollment(make_database, tmp_path) as found:
        yield found


async def test_from_plan_to_the_feed(running: Installation) -> None:
    """Plan, submit, pay: the order is confirmed, and the feed tells it once."""
    person = await running.candidate(1)
    assert (await person.call(plan())).fee_fen == 2 * FEE_FEN
    order = (await person.call(plan_submission())).order
    assert order.county_code == JINJIANG
    assert await seats(running) == {(1, 0)}
    await pay(running, await payment_code(running, 1, order))
    confirmed = await until_state(running, 1, "CONFIRMED")
    assert not confirmed.HasField("held_until")
    assert await seats(running) == {(0, 1)}
    (event,) = await events(running, at_least=1)
    assert (event.candidate_id, event.county_code) == (candidate_id(1), JINJIANG)
    assert [course.course_code for course in event.courses] == list(COURSES)
    assert await events(running, event.cursor) == []
