"""The batcher: who goes together, who gets which answer, and who is not waited for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from prometheus_client import REGISTRY
from zikao_kit.batcher import Batcher, BatchMetrics
from zikao_kit.context import acting_as, current_call
from zikao_kit.errors import DomainError
from zikao_kit.idempotency import RequestKey
from zikao_kit.tokens import Actor

MAX_BATCH = 4
METRICS = BatchMetrics("test", "entries")


@dataclass
class Counter:
    """Decides when it is let: the answer to an entry is its own text; "bad" entries are refused."""

    batches: list[list[str]] = field(default_factory=list)
    let: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    at_work: int = 0
    most_at_work: int = 0

    async def decide(self, entries: Sequence[str]) -> list[bytes | DomainError]:
        """Note the batch and wait until it may commit."""
        self.batches.append(list(entries))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        await self.let.acquire()
        self.at_work -= 1
        if "broken" in entries:
            raise ConnectionError
        return [DomainError("SOLD_OUT") if e == "bad" else e.encode() for e in entries]

    def let_go(self, batches: int) -> None:
        """Let batches commit."""
        for _ in range(batches):
            self.let.release()


@pytest.fixture
def counter() -> Counter:
    """Somebody who decides."""
    return Counter()


@pytest.fixture
def batcher(counter: Counter) -> Batcher[str]:
    """A batcher of at most four a batch, two in flight."""
    return Batcher(counter.decide, METRICS, max_batch=MAX_BATCH, in_flight=2)


def key(number: int, body: bytes = b"") -> RequestKey:
    """The key of the request with the id UUID(int=number)."""
    return RequestKey("somebody", UUID(int=number), "Submit", body)


async def turn() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def submit(batcher: Batcher[str], number: int, entry: str = "") -> asyncio.Task[bytes]:
    """Begin to submit; the entry is the number where none is given."""
    return asyncio.create_task(batcher.submit(key(number), entry or str(number)))


async def test_what_comes_in_one_turn_is_one_batch(counter: Counter, batcher: Batcher[str]) -> None:
    """Nobody waits for more, and nobody goes alone who came with others."""
    tasks = [submit(batcher, number) for number in range(3)]
    await turn()
    assert counter.batches == [["0", "1", "2"]]
    counter.let_go(1)
    assert await asyncio.gather(*tasks) == [b"0", b"1", b"2"]


async def test_two_in_flight_and_the_rest_together(counter: Counter, batcher: Batcher[str]) -> None:
    """While two batches commit the others wait, and then go together, as many as may."""
    tasks = []
    for number in range(8):
        tasks.append(submit(batcher, number))
        await turn()
    assert counter.batches == [["0"], ["1"]]
    counter.let_go(1)
    await turn()
    assert counter.batches == [["0"], ["1"], ["2", "3", "4", "5"]]
    counter.let_go(3)
    assert await asyncio.gather(*tasks) == [str(number).encode() for number in range(8)]
    assert counter.batches[3:] == [["6", "7"]]
    assert counter.most_at_work == 2


async def test_few_do_not_go_beside_many_at_once(counter: Counter, batcher: Batcher[str]) -> None:
    """Beside a batch of four two are worth a batch of their own; one goes when it has waited."""
    tasks = [submit(batcher, number) for number in range(4)]
    await turn()
    tasks.append(submit(batcher, 4))
    await turn()
    assert counter.batches == [["0", "1", "2", "3"]]
    tasks.append(submit(batcher, 5))
    await turn()
    assert counter.batches[1:] == [["4", "5"]]
    counter.let_go(2)
    await asyncio.gather(*tasks)
    tasks = [submit(batcher, number) for number in range(6, 10)]
    await turn()
    tasks.append(submit(batcher, 10))
    await turn()
    assert counter.batches[2:] == [["6", "7", "8", "9"]]
    async with asyncio.timeout(5):
        while len(counter.batches) < 4:
            await asyncio.sleep(0.001)
    assert counter.batches[3] == ["10"]
    counter.let_go(2)
    await asyncio.gather(*tasks)


async def test_each_caller_gets_its_own_answer(counter: Counter, batcher: Batcher[str]) -> None:
    """A refusal in the middle of a batch reaches its caller alone."""
    good, bad, other = submit(batcher, 1), submit(batcher, 2, "bad"), submit(batcher, 3)
    counter.let_go(1)
    assert (await good, await other) == (b"1", b"3")
    with pytest.raises(DomainError, match="SOLD_OUT"):
        await bad


async def test_a_repetition_shares_the_answer(counter: Counter, batcher: Batcher[str]) -> None:
    """The same request again, waiting or in flight, is not decided twice; afterwards it is."""
    tasks = [submit(batcher, 1), submit(batcher, 1)]
    await turn()
    tasks.append(submit(batcher, 1, "in flight"))
    await turn()
    counter.let_go(1)
    assert await asyncio.gather(*tasks) == [b"1"] * 3
    counter.let_go(1)
    assert await submit(batcher, 1, "afterwards") == b"afterwards"
    assert counter.batches == [["1"], ["afterwards"]]


async def test_another_body_is_refused(counter: Counter, batcher: Batcher[str]) -> None:
    """The id of a request under way cannot be used for another; somebody else's may be the same."""
    first = submit(batcher, 1)
    await turn()
    with pytest.raises(DomainError, match="REQUEST_ID_REUSED"):
        await batcher.submit(key(1, b"other"), "x")
    theirs = asyncio.create_task(batcher.submit(key(1)._replace(actor="another"), "theirs"))
    counter.let_go(2)
    assert (await first, await theirs) == (b"1", b"theirs")


async def test_who_has_gone_is_not_decided(counter: Counter, batcher: Batcher[str]) -> None:
    """An entry whose callers left before its batch is dropped, unless one of them stays."""
    busy = [submit(batcher, 1)]
    await turn()
    busy.append(submit(batcher, 2))
    await turn()
    gone, left, stays = submit(batcher, 3), submit(batcher, 4), submit(batcher, 4)
    await turn()
    for task in (gone, left):
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
    counter.let_go(3)
    assert await stays == b"4"
    await asyncio.gather(*busy)
    assert counter.batches == [["1"], ["2"], ["4"]]
    counter.let_go(1)
    assert await submit(batcher, 3, "again") == b"again"


async def test_who_goes_during_the_flight_changes_nothing(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """The batch is decided all the same, and who asks again meanwhile gets its answer."""
    gone, stays = submit(batcher, 1), submit(batcher, 2)
    await turn()
    gone.cancel()
    with suppress(asyncio.CancelledError):
        await gone
    again = submit(batcher, 1, "again")
    await turn()
    counter.let_go(1)
    assert (await stays, await again) == (b"2", b"1")
    assert counter.batches == [["1", "2"]]


async def test_what_a_batch_raises_reaches_every_caller(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """A failed batch fails each of its callers, and the next one flies."""
    tasks = [submit(batcher, 1), submit(batcher, 2, "broken")]
    counter.let_go(2)
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ConnectionError] * 2
    assert await submit(batcher, 3) == b"3"


async def test_a_missing_answer_is_a_failure_of_the_batch() -> None:
    """Fewer answers than entries: nobody waits for ever."""

    async def forgetful(entries: Sequence[str]) -> list[bytes | DomainError]:
        return [entry.encode() for entry in entries[1:]]

    batcher = Batcher(forgetful, METRICS, max_batch=MAX_BATCH, in_flight=1)
    tasks = [submit(batcher, 1), submit(batcher, 2)]
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert ValueError in {type(answer) for answer in answers}


async def test_a_batch_flies_in_nobodys_name() -> None:
    """What is logged for a batch is not found under the request of one of its callers."""
    calls: list[object] = []

    async def look(entries: Sequence[str]) -> list[bytes | DomainError]:
        calls.append(current_call())
        return [b""] * len(entries)

    with acting_as(Actor("somebody", "candidate")):
        await Batcher(look, METRICS, max_batch=MAX_BATCH, in_flight=1).submit(key(1), "x")
    assert calls == [None]


async def test_a_queue_stands_while_every_batch_leaves_some_behind(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """Since the first batch that could not take all; not any more once one could."""
    tasks = [submit(batcher, n) for n in range(MAX_BATCH)]
    await asyncio.sleep(0.01)
    assert batcher.standing_seconds == 0
    tasks += [submit(batcher, n) for n in range(MAX_BATCH, 4 * MAX_BATCH)]
    await asyncio.sleep(0.01)
    first = batcher.standing_seconds
    assert first > 0
    counter.let_go(1)
    await asyncio.sleep(0.01)
    assert batcher.standing_seconds > first
    counter.let_go(4)
    await asyncio.gather(*tasks)
    assert batcher.standing_seconds == 0


async def test_answers_are_counted_by_outcome(counter: Counter, batcher: Batcher[str]) -> None:
    """What was answered, refused by a rule, or lost by a fault; an entry of two callers once."""

    def counted() -> list[float]:
        names = ("OK", "SOLD_OUT", "FAULT")
        found = [
            REGISTRY.get_sample_value("zikao_test_entries_total", {"outcome": name})
            for name in names
        ]
        return [each or 0 for each in found]

    before, batches = counted(), REGISTRY.get_sample_value("zikao_test_batch_seconds_count")
    tasks = [submit(batcher, 1), submit(batcher, 1), submit(batcher, 2, "bad")]
    await turn()
    lost = submit(batcher, 3, "broken")
    counter.let_go(2)
    await asyncio.gather(*tasks, lost, return_exceptions=True)
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1]
    assert REGISTRY.get_sample_value("zikao_test_batch_seconds_count") == (batches or 0) + 2


class Basket:
    """Takes the answers to what it has entered."""

    def __init__(self) -> None:
        self.answers: list[bytes | Exception] = []
        self.is_there = True

    def is_waiting(self) -> bool:
        """Whether it is still there."""
        return self.is_there

    def take(self, answers: Sequence[bytes | Exception]) -> None:
        """Keep them."""
        self.answers += answers


def enter(batcher: Batcher[str], numbers: Sequence[int], basket: Basket, body: bytes = b"") -> bool:
    """Enter these numbers together."""
    keys = [key(number, body) for number in numbers]
    return batcher.enter_together(keys, [str(number) for number in numbers], basket)


async def test_what_is_entered_together_goes_together(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """It waits for the next batch where there is no room for all of it; so do those behind it."""
    first, second, third = Basket(), Basket(), Basket()
    assert enter(batcher, [1, 2, 3], first)
    assert enter(batcher, [4, 5], second)
    assert enter(batcher, [6], third)
    assert batcher.waiting == 6
    await turn()
    assert counter.batches == [["1", "2", "3"], ["4", "5", "6"]]
    assert batcher.waiting == 0
    counter.let_go(2)
    await turn()
    assert [basket.answers for basket in (first, second, third)] == [
        [b"1", b"2", b"3"],
        [b"4", b"5"],
        [b"6"],
    ]


async def test_one_of_several_is_repeated(counter: Counter, batcher: Batcher[str]) -> None:
    """The repetition gets its own answer, and another body is refused; then the id is free."""
    basket = Basket()
    assert enter(batcher, [1, 2, 3], basket)
    assert batcher.is_under_way("somebody", UUID(int=2))
    again = submit(batcher, 2, "again")
    await turn()
    with pytest.raises(DomainError, match="REQUEST_ID_REUSED"):
        await batcher.submit(key(3, b"other"), "x")
    counter.let_go(1)
    assert await again == b"2"
    assert basket.answers == [b"1", b"2", b"3"]
    assert not batcher.is_under_way("somebody", UUID(int=2))


async def test_ids_under_way_are_not_entered_together(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """Nothing of it is entered: not with an id that is under way, nor with one twice."""
    basket = Basket()
    assert enter(batcher, [1], basket)
    assert not enter(batcher, [2, 1], basket)
    assert not enter(batcher, [3, 3], basket)
    assert batcher.waiting == 1
    with pytest.raises(ValueError, match="5 entries for batches of 4"):
        enter(batcher, [5, 6, 7, 8, 9], basket)
    await turn()
    counter.let_go(1)
    await turn()
    assert (counter.batches, basket.answers) == ([["1"]], [b"1"])


async def test_several_whose_caller_has_gone_are_not_decided(
    counter: Counter, batcher: Batcher[str]
) -> None:
    """Unless somebody else waits for one of them."""
    gone, left = Basket(), Basket()
    for busy in (8, 9):
        assert enter(batcher, [busy], Basket())
        await turn()
    assert enter(batcher, [1, 2], gone)
    assert enter(batcher, [3, 4], left)
    stays = submit(batcher, 4)
    await turn()
    gone.is_there = left.is_there = False
    counter.let_go(3)
    assert await stays == b"4"
    assert counter.batches == [["8"], ["9"], ["3", "4"]]
    assert enter(batcher, [1, 2], Basket())
