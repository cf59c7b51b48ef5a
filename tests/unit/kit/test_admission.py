"""Who waits, who is let in, who is sent away."""

import asyncio
import random
from types import SimpleNamespace

import pytest
from zikao_kit.admission import Admission, Slot
from zikao_kit.errors import DomainError
from zikao_kit.policy import Priority

LONG_SECONDS = 30.0


def admission(concurrent: int = 1, depth: int = 10, seconds: float = 1.0) -> Admission:
    """Make an admission with one slot."""
    return Admission(max_concurrent=concurrent, max_queue_depth=depth, max_queue_seconds=seconds)


async def queued(gate: Admission, priority: Priority) -> asyncio.Task[None]:
    """Let a call wait and return it."""
    task = asyncio.create_task(gate.enter(priority, LONG_SECONDS))
    await asyncio.sleep(0)
    return task


async def test_free_slots_are_given_at_once() -> None:
    """Below the limit nobody waits."""
    gate = admission(concurrent=2)
    await gate.enter(Priority.PRINT, 0.0)
    await gate.enter(Priority.PRINT, 0.0)
    assert (gate.free_slots, gate.queue_depth) == (0, 0)
    gate.pass_on()
    gate.pass_on()
    assert gate.free_slots == 2


async def test_waiters_come_in_by_priority_then_by_arrival() -> None:
    """Payment, submit, join, read, print; the first come first within one."""
    gate = admission()
    await gate.enter(Priority.READ, 0.0)
    order: list[str] = []
    arrivals = [
        ("print", Priority.PRINT),
        ("read 1", Priority.READ),
        ("read 2", Priority.READ),
        ("join", Priority.JOIN),
        ("submit", Priority.SUBMIT),
        ("payment", Priority.PAYMENT),
    ]
    tasks = []
    for name, priority in arrivals:
        tasks.append(task := await queued(gate, priority))
        task.set_name(name)
        task.add_done_callback(lambda done: order.append(done.get_name()))
    for _ in arrivals:
        gate.pass_on()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert order == ["payment", "submit", "join", "read 1", "read 2", "print"]
    gate.pass_on()
    assert gate.free_slots == 1


async def test_waiting_too_long_is_shed() -> None:
    """Who waited for the queueing time is sent away, and its place is free."""
    gate = admission(seconds=0.02)
    await gate.enter(Priority.READ, 0.0)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await gate.enter(Priority.READ, LONG_SECONDS)
    assert gate.queue_depth == 0


async def test_nobody_waits_past_its_deadline() -> None:
    """A call's own patience is shorter than the queue's."""
    gate = admission(seconds=LONG_SECONDS)
    await gate.enter(Priority.READ, 0.0)
    async with asyncio.timeout(1):
        with pytest.raises(DomainError, match="OVERLOADED"):
            await gate.enter(Priority.READ, 0.01)


async def test_some_of_those_who_waited_unseen_are_told_when_most_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls that were late before they came count, though slots are free; a payment never does."""
    now = 100.0
    monkeypatch.setattr("zikao_kit.admission.time", SimpleNamespace(monotonic=lambda: now))
    gate = admission(concurrent=1000)
    told = 0
    for _ in range(300):
        now += 0.001
        await gate.enter(Priority.PAYMENT, LONG_SECONDS, age_seconds=1.0)
        try:
            await gate.enter(Priority.SUBMIT, LONG_SECONDS, age_seconds=0.05)
        except DomainError:
            told += 1
    load = gate.snapshot()
    assert (load.shed, load.standing) == (told, True)
    assert 0.045 < load.wait_seconds <= 0.05
    assert 1 <= told <= 10
    now += 1
    assert gate.snapshot().wait_seconds == 0


async def test_each_priority_has_a_pause_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where reads are answered a few refused ones may come again soon, submits or not; and back."""
    now = 100.0
    monkeypatch.setattr("zikao_kit.admission.time", SimpleNamespace(monotonic=lambda: now))
    gate, pauses = admission(depth=0), dict[Priority, float]()
    for _ in range(10):
        now += 1.0
        for priority in (Priority.READ, Priority.SUBMIT):
            await gate.enter(priority, 0.0)
            for _ in range(2):
                with pytest.raises(DomainError) as refused:
                    await gate.enter(priority, LONG_SECONDS)
                assert refused.value.retry_after
                pauses[priority] = refused.value.retry_after.total_seconds()
            gate.leave(priority, served=priority is Priority.READ)
            for _ in range(30):
                await gate.enter(Priority.READ, 0.0)
                gate.leave(Priority.READ)
    assert pauses[Priority.READ] < 1 < pauses[Priority.SUBMIT]
    gate.count_finished(100)
    now += 1.0
    await gate.enter(Priority.SUBMIT, 0.0)
    for _ in range(10):
        now += 1.0
        gate.count_finished(100)
        with pytest.raises(DomainError) as refused:
            await gate.enter(Priority.SUBMIT, LONG_SECONDS)
    assert refused.value.retry_after
    assert refused.value.retry_after.total_seconds() < 2


async def test_more_run_at_once_only_while_that_gets_more_done(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound goes by calls that work: those that are refused at once say nothing."""
    now = 100.0
    monkeypatch.setattr("zikao_kit.admission.time", SimpleNamespace(monotonic=lambda: now))
    gate = admission(concurrent=256, depth=1000, seconds=LONG_SECONDS)
    waiting = [asyncio.create_task(gate.enter(Priority.SUBMIT, LONG_SECONDS)) for _ in range(500)]
    await asyncio.sleep(0)

    async def turn(*, served: bool) -> None:
        gate.leave(Priority.SUBMIT, served=served)
        waiting.append(asyncio.create_task(gate.enter(Priority.SUBMIT, LONG_SECONDS)))
        await asyncio.sleep(0)

    for _ in range(2000):
        now += 0.002
        await turn(served=False)
    assert gate.snapshot().limit == 256
    for _ in range(4000):
        now += 0.002
        await turn(served=True)
    assert gate.snapshot().limit < 128
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_payments_have_slots_of_their_own() -> None:
    """Whatever else runs, a payment does; and no more of them than that."""
    gate = Admission(max_concurrent=1, max_queue_depth=10, max_queue_seconds=0.01, payment_slots=1)
    await gate.enter(Priority.SUBMIT, 0.0)
    await gate.enter(Priority.PAYMENT, 0.0)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await gate.enter(Priority.SUBMIT, LONG_SECONDS)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await gate.enter(Priority.PAYMENT, LONG_SECONDS)


async def test_what_is_done_and_what_is_not_is_counted() -> None:
    """Of submissions: those that were served, of streams, and those that were sent away."""
    gate = admission(depth=0)
    await gate.enter(Priority.SUBMIT, 0.0)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await gate.enter(Priority.SUBMIT, LONG_SECONDS)
    gate.leave(Priority.SUBMIT)
    await gate.enter(Priority.SUBMIT, 0.0)
    gate.leave(Priority.SUBMIT, served=False)
    await gate.enter(Priority.READ, 0.0)
    gate.leave(Priority.READ)
    gate.count_finished(5)
    load = gate.snapshot()
    assert (load.finished, load.shed, load.standing, load.limit) == (6, 1, False, 1)


async def test_full_queue_sheds_the_least_important() -> None:
    """A payment displaces who came last among the least important; a print displaces nobody."""
    gate = admission(depth=2)
    await gate.enter(Priority.READ, 0.0)
    first_print = await queued(gate, Priority.PRINT)
    last_print = await queued(gate, Priority.PRINT)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await gate.enter(Priority.PRINT, LONG_SECONDS)
    payment = await queued(gate, Priority.PAYMENT)
    with pytest.raises(DomainError, match="OVERLOADED"):
        await last_print
    gate.pass_on()
    await payment
    gate.pass_on()
    await first_print


async def test_abandoned_waiter_leaves_no_trace() -> None:
    """A caller that hangs up while waiting frees its place."""
    gate = admission()
    await gate.enter(Priority.READ, 0.0)
    gone = await queued(gate, Priority.READ)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert gate.queue_depth == 0
    gate.pass_on()
    assert gate.free_slots == 1


async def test_slot_given_to_a_caller_that_just_left_is_not_lost() -> None:
    """Let in and hung up at the same moment: the slot goes on to the next."""
    gate = admission()
    await gate.enter(Priority.READ, 0.0)
    gone, next_one = await queued(gate, Priority.READ), await queued(gate, Priority.READ)
    gate.pass_on()
    gone.cancel()
    async with asyncio.timeout(1):
        await next_one
    assert gone.cancelled()
    gate.pass_on()
    assert gate.free_slots == 1


async def test_cancelled_before_the_slot_came_it_goes_to_the_next() -> None:
    """Hung up, and the slot freed before the waiter noticed: the next one has it."""
    gate = admission()
    await gate.enter(Priority.READ, 0.0)
    gone, next_one = await queued(gate, Priority.READ), await queued(gate, Priority.READ)
    gone.cancel()
    gate.pass_on()
    async with asyncio.timeout(1):
        await next_one
    gate.pass_on()
    assert gate.free_slots == 1


async def test_no_slot_is_lost_in_a_storm() -> None:
    """Whatever mixture of waiting, giving up and hanging up: in the end all slots are free."""
    chance = random.Random(7)
    gate = admission(concurrent=5, depth=20, seconds=0.01)
    most = 0

    async def call() -> None:
        nonlocal most
        await gate.enter(chance.choice(list(Priority)), chance.uniform(0.0, 0.02))
        most = max(most, 5 - gate.free_slots)
        try:
            await asyncio.sleep(chance.uniform(0.0, 0.02))
        finally:
            gate.pass_on()

    tasks = []
    for _ in range(600):
        tasks.append(task := asyncio.create_task(call()))
        if chance.random() < 0.3:
            asyncio.get_running_loop().call_later(chance.uniform(0.0, 0.01), task.cancel)
        await asyncio.sleep(chance.uniform(0.0, 0.0005))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert (gate.free_slots, gate.queue_depth, most) == (5, 0, 5)
    kinds = {type(result) for result in results}
    assert kinds == {type(None), DomainError, asyncio.CancelledError}


async def test_a_slot_is_free_while_its_call_waits_for_its_caller() -> None:
    """Another call runs meanwhile; the first goes on when it is done, and leaves no trace."""
    gate = admission()
    slot, other = Slot(gate, Priority.READ), Slot(gate, Priority.READ)
    await slot.take(0.0)
    read = asyncio.Event()
    waiting = asyncio.create_task(slot.without(read.wait()))
    await asyncio.sleep(0)
    await other.take(0.0)
    read.set()
    await asyncio.sleep(0.01)
    assert not waiting.done()
    other.leave()
    assert await waiting
    assert gate.free_slots == 0
    slot.leave()
    slot.leave()
    assert gate.free_slots == 1


async def test_a_slot_is_held_once_however_often_it_is_taken() -> None:
    """Two tasks of one call that come back from waiting hold one slot between them."""
    gate = admission(concurrent=2)
    slot = Slot(gate, Priority.READ)
    await slot.take(0.0)
    await slot.take(0.0)
    assert gate.free_slots == 1
