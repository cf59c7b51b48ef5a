"""The door of offices: one after the other, and not too many."""

import asyncio
from functools import partial

import pytest
from zikao_enrollment.office_door import MAX_WAITING, PATIENCE_SECONDS, OfficeDoor
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

    acts = [door.act(str(number), partial(act, number)) for number in range(5)]
    answers = await asyncio.gather(*acts, return_exceptions=True)
    assert done == list(range(5))
    assert [type(answer) for answer in answers].count(ValueError) == 1


async def test_few_wait_for_their_turn() -> None:
    """Who is too many is told so at once, and comes in when the others have gone."""
    door, go = OfficeDoor(0), asyncio.Event()
    waiting = [asyncio.create_task(door.act(str(number), go.wait)) for number in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as refused:
        await door.act("late", go.wait)
    assert refused.value.reason == "OVERLOADED"
    go.set()
    assert await asyncio.gather(*waiting) == [True] * MAX_WAITING
    assert await door.act("late", go.wait)


async def test_work_that_times_out_is_not_the_doors_matter() -> None:
    """Only waiting for a turn is OVERLOADED: what an act itself raises stays what it is."""

    async def slow() -> None:
        raise TimeoutError

    with pytest.raises(TimeoutError):
        await OfficeDoor(0).act("somebody", slow)


async def test_one_officer_shuts_the_door_to_nobody() -> None:
    """A second act of the same officer is sent away; one of another gets its turn."""
    door, go = OfficeDoor(0), asyncio.Event()
    first = asyncio.create_task(door.act("busy", go.wait))
    await asyncio.sleep(0)
    with pytest.raises(DomainError) as refused:
        await door.act("busy", go.wait)
    assert refused.value.reason == "OVERLOADED"
    other = asyncio.create_task(door.act("other", go.wait))
    go.set()
    assert all(await asyncio.gather(first, other))
    assert await door.act("busy", go.wait)


async def test_an_act_that_is_refused_is_followed_by_a_pause_too() -> None:
    """It has locked seats as well: the next one waits, here for longer than it has patience."""
    door = OfficeDoor(PATIENCE_SECONDS * 100)

    async def refused() -> None:
        raise DomainError("SESSION_CHANGE_REFUSED")

    with pytest.raises(DomainError):
        await door.act("mistaken", refused)
    next_one = asyncio.create_task(door.act("next", refused))
    done, _ = await asyncio.wait([next_one], timeout=0.05)
    assert not done
    next_one.cancel()
