"""What the leader of a waiting room makes of the reports of all processes."""

from typing import Any
from uuid import UUID

import pytest
from zikao_enrollment.domain.admission_leader import (
    CLOSE_SECONDS,
    AdmissionLeader,
    Limits,
    Queue,
    Report,
)
from zikao_enrollment.domain.admission_rate import START_PER_PROCESS
from zikao_enrollment.domain.waiting import RoomState

TICK_SECONDS = 0.25
FREE = Limits(ceiling=None, held=False, quiet_seconds=60.0)


def report(process: int = 1, finished: int = 0, **changes: Any) -> Report:
    """What a process tells whose people come at once."""
    plain = Report(UUID(int=process), finished, 0, 0.0, False, finished, 0.0)
    return plain._replace(**changes)


def admitting(last_number: int, admitted_until: int = 0) -> Queue:
    """A room that is drawn."""
    return Queue(RoomState.ADMITTING, last_number, admitted_until)


def test_a_ceiling_is_kept_over_any_time() -> None:
    """With 800 a second at most, ten seconds let in 8,000, whatever the service could do."""
    leader, queue = AdmissionLeader(5_000.0), admitting(100_000)
    limits = FREE._replace(ceiling=800.0)
    samples = []
    for tick in range(60):
        done = report(finished=queue.admitted_until)
        step = leader.decide(tick * TICK_SECONDS, queue, limits, [done])
        queue = queue._replace(admitted_until=step.admitted_until)
        samples.append(step.admitted_until)
    assert samples[55] - samples[15] == 8_000
    assert step.rate == 800.0


def test_nobody_is_let_in_while_it_is_held() -> None:
    """Held: nobody, and when it goes on not those of all that time at once."""
    leader, queue = AdmissionLeader(400.0), admitting(100_000)
    held = FREE._replace(held=True)
    for tick in range(400):
        step = leader.decide(tick * TICK_SECONDS, queue, held, [report()])
        assert step.admitted_until == 0
    assert leader.decide(100.0, queue, FREE, [report()]).admitted_until <= 100


def test_no_more_are_let_in_than_are_there() -> None:
    """The last number is the end of it, and who comes late is let in with the next step."""
    leader, queue = AdmissionLeader(1_000.0), admitting(last_number=120)
    leader.decide(0.0, queue, FREE, [report()])
    step = leader.decide(0.25, queue, FREE, [report()])
    assert step.admitted_until == 120
    later = leader.decide(0.5, admitting(125, 120), FREE, [report()])
    assert later.admitted_until == 125


def test_processes_come_and_go_without_being_counted_twice() -> None:
    """One that has ended takes nothing away, one that begins adds what it does since."""
    leader, queue = AdmissionLeader(None), admitting(10**6)
    leader.decide(0.0, queue, FREE, [report(1, 1_000), report(2, 7_000)])
    leader.decide(0.25, queue, FREE, [report(1, 1_050), report(2, 7_050)])
    leader.decide(0.5, queue, FREE, [report(1, 1_100), report(3, 90_000)])
    step = leader.decide(1.0, queue, FREE, [report(1, 1_200), report(3, 90_100)])
    # 400 in a second, of two processes: growing, and far below what the counts themselves say.
    assert 2 * START_PER_PROCESS <= step.rate <= 2_000


def test_the_rate_does_not_grow_while_one_process_is_nearly_full() -> None:
    """Where calls wait nearly as long as in a queue the rate is right, whatever others do."""
    ends = []
    for wait_seconds in (0.0, 0.015):
        leader, queue = AdmissionLeader(500.0), admitting(10**9)
        for tick in range(40):
            busy = report(1, queue.admitted_until)
            idle = report(2, wait_seconds=wait_seconds)
            step = leader.decide(tick * TICK_SECONDS, queue, FREE, [busy, idle])
            queue = queue._replace(admitted_until=step.admitted_until)
        ends.append(step.rate)
    assert ends[0] >= 1_000
    assert ends[1] == 500


def test_the_room_opens_when_nobody_has_had_to_wait_for_long_enough() -> None:
    """After a quiet minute in which all were let in at once; somebody who waits begins it anew."""
    leader = AdmissionLeader(10.0)
    now = 0.0

    def last(seconds: float, queue: Queue) -> RoomState:
        nonlocal now
        end = now + seconds
        while now < end:
            state = leader.decide(now, queue, FREE, [report()]).state
            now += TICK_SECONDS
        return state

    assert last(59, admitting(50, 50)) is RoomState.ADMITTING
    assert last(1, admitting(5_000, 50)) is RoomState.ADMITTING
    assert last(59, admitting(5_000, 5_000)) is RoomState.ADMITTING
    assert last(2, admitting(5_000, 5_000)) is RoomState.OPEN


@pytest.mark.parametrize("held", [False, True])
def test_an_open_room_closes_again(held: bool) -> None:
    """When a queue of submissions stands for seconds, or an office holds admission."""
    leader, queue = AdmissionLeader(400.0), Queue(RoomState.OPEN, 70, 70)
    limits = FREE._replace(held=held)
    first = leader.decide(0.0, queue, limits, [report(standing=not held)])
    assert first.state is (RoomState.ADMITTING if held else RoomState.OPEN)
    done = report(finished=100, standing=not held)
    assert leader.decide(CLOSE_SECONDS, queue, limits, [done]).state is RoomState.ADMITTING


def test_an_open_room_lets_everybody_in() -> None:
    """Whoever has got a number in the moment of the opening needs no pass any more."""
    leader = AdmissionLeader(1.0)
    step = leader.decide(0.0, Queue(RoomState.OPEN, 90, 70), FREE, [report()])
    assert (step.state, step.admitted_until) == (RoomState.OPEN, 90)
