"""Few calls at once of who has taken no answer: judged without a server."""

import asyncio
from collections.abc import Sequence

import pytest
from zikao_kit import first_calls
from zikao_kit.first_calls import FIRST_CALLS, FirstCalls

CALLER, OTHER = "ipv4:10.0.0.1:1", "ipv4:10.0.0.2:1"


@pytest.fixture(autouse=True)
def _not_for_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is let in because it has waited for long."""
    monkeypatch.setattr(first_calls, "MOST_SECONDS", 3600.0)


async def settled() -> None:
    """Let everybody have some turns."""
    for _ in range(5):
        await asyncio.sleep(0)


async def begun(first: FirstCalls, count: int, peer: str = CALLER) -> list[asyncio.Task[None]]:
    """So many calls."""
    tasks = [asyncio.ensure_future(first.enter(peer)) for _ in range(count)]
    await settled()
    return tasks


def let_in(tasks: Sequence[asyncio.Task[None]]) -> int:
    """How many of them have begun, without an error."""
    return sum(task.done() and not task.cancelled() and task.exception() is None for task in tasks)


async def test_a_connection_begins_with_few_calls_and_others_with_theirs() -> None:
    """The rest waits."""
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 5)
    assert let_in(tasks) == FIRST_CALLS
    assert first.waiting(CALLER) == 5
    assert let_in(await begun(first, 1, OTHER)) == 1
    assert first.waiting(OTHER) == 0


async def test_all_begin_when_an_answer_was_taken() -> None:
    """Nothing waits any more."""
    first = FirstCalls()
    tasks = await begun(first, 100)
    first.lift(CALLER)
    await settled()
    assert let_in(tasks) == 100
    assert first.waiting(CALLER) == 0


async def test_a_call_that_ends_otherwise_makes_room() -> None:
    """For another one, in the order in which they came; a refused one for two."""
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 5)
    first.leave(CALLER)
    await settled()
    assert [task.done() for task in tasks[FIRST_CALLS:]] == [True, False, False, False, False]
    first.leave(CALLER, room=2)
    await settled()
    assert let_in(tasks) == FIRST_CALLS + 3
    assert first.waiting(CALLER) == 2


async def test_whoever_is_refused_may_have_ever_more_at_once() -> None:
    """There are no answers that could wait."""
    first = FirstCalls()
    at_once = FIRST_CALLS
    for _ in range(4):
        tasks = await begun(first, at_once)
        assert let_in(tasks) == at_once
        for _ in tasks:
            first.leave(CALLER, room=2)
        at_once *= 2
    assert let_in(await begun(first, at_once)) == at_once
    assert first.waiting(CALLER) == 0


async def test_a_call_that_is_taken_back_takes_nobodys_place() -> None:
    """Neither while it waits, nor when it has just been let in, nor at both at once."""
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 4)
    waiting, just_in, both, last = tasks[FIRST_CALLS:]
    waiting.cancel()
    await settled()
    assert first.waiting(CALLER) == 3
    first.leave(CALLER)
    just_in.cancel()
    await settled()
    assert both.done()
    assert not last.done()
    last.cancel()
    first.leave(CALLER)
    await settled()
    assert let_in(tasks) == FIRST_CALLS + 1
    assert let_in(await begun(first, 2)) == 1


async def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while all begin; who comes then has room when as many have ended."""
    monkeypatch.setattr(first_calls, "MOST_SECONDS", 0.05)
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 5)
    tasks[-1].cancel()
    monkeypatch.setattr(first_calls, "MOST_SECONDS", 3600.0)
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks[:-1])
    (late,) = await begun(first, 1)
    for _ in range(4):
        first.leave(CALLER)
        await settled()
        assert not late.done()
    first.leave(CALLER)
    await settled()
    assert late.done()


async def test_a_port_that_is_used_again_begins_anew() -> None:
    """And who waited has gone with the connection; where nobody sees connections, begins later."""
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 1)
    first.forget_all_but({OTHER})
    assert first.waiting(CALLER) == 0
    assert let_in(await begun(first, FIRST_CALLS)) == FIRST_CALLS
    assert not tasks[-1].done()
    tasks[-1].cancel()
    await settled()
    assert let_in(await begun(first, 1)) == 0


async def test_who_waits_where_nobody_sees_connections_begins_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the kernel does not tell of them, each look forgets all."""
    monkeypatch.setattr(first_calls, "MOST_SECONDS", 0.05)
    first = FirstCalls()
    tasks = await begun(first, FIRST_CALLS + 5)
    first.forget_all_but(set())
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)
