"""The door of offices: one after the other, and not too many."""

import asyncio
from functools import partial

import pytest
from zikao_enrollment.office_door import MAX_WAITING, OfficeDoor
from zikao_kit.errors import DomainError


async def test_acts_come_one_after_the_other() -> None:
    """No two at once, in the order of their coming; one that fails holds up none."""
    door, inside, done = OfficeDoor(0.001), 0, []

    async def act(number: int) -> None:
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0)
        inside -= 1
        done.append(number)
        if number == 1:
            raise ValueError

    acts = [door.act(partial(act, number)) for number in range(5)]
    answers = await asyncio.gather(*acts, return_exceptions=True)
    assert done == list(range(5))
    assert [type(answer) for answer in answers].count(ValueError) == 1


async def test_few_wait_for_their_turn() -> None:
    """Who is too many is told so at once, and comes in when the others have gone."""
    door, go = OfficeDoor(0), asyncio.Event()
    waiting = [asyncio.create_task(door.act(go.wait)) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as refused:
        await door.act(go.wait)
    assert refused.value.reason == "OVERLOADED"
    go.set()
    assert await asyncio.gather(*waiting) == [True] * MAX_WAITING
    assert await door.act(go.wait)


async def test_work_that_times_out_is_not_the_doors_matter() -> None:
    """Only waiting for a turn is OVERLOADED: what an act itself raises stays what it is."""

    async def slow() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await OfficeDoor(0).act(slow)
