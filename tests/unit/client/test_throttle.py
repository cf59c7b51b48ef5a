"""What a caller keeps to itself when a service has too much, against a service in numbers."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_client.throttle import FIRST_BOUND, Throttle

TICK_SECONDS = 0.001
WAY_TICKS = 3
QUEUE_SECONDS = 0.02


@dataclass
class Service:
    """Does `per_second` of what it takes in; beyond a short queue it refuses, at the same cost."""

    per_second: float
    waiting: int = 0
    refused: int = 0
    work: float = 0.0
    on_their_way: deque[tuple[int, int]] = field(
        default_factory=lambda: deque([(0, 0)] * WAY_TICKS)
    )

    def tick(self, sent: int) -> tuple[int, int]:
        """Take what was sent; how many answers and refusals have come back meanwhile."""
        room = max(0, int(self.per_second * QUEUE_SECONDS) + 1 - self.waiting)
        self.waiting += min(sent, room)
        self.refused += max(0, sent - room)
        self.work += self.per_second * TICK_SECONDS
        refused = min(self.refused, int(self.work))
        answered = min(self.waiting, int(self.work) - refused)
        self.refused -= refused
        self.waiting -= answered
        self.work = self.work - refused - answered if self.waiting or self.refused else 0.0
        self.on_their_way.append((answered, refused))
        return self.on_their_way.popleft()


@dataclass
class World:
    """Throttles of several callers before a service, in the time of none of them."""

    per_second: float
    callers: int = 1
    now: int = 0

    def __post_init__(self) -> None:
        """Nothing was sent so far."""
        self.service = Service(self.per_second)
        self.throttles = [
            Throttle(monotonic=lambda: self.now * TICK_SECONDS) for _ in range(self.callers)
        ]
        self.sent_by: deque[int] = deque()
        self.wanted = 0.0

    def run(self, seconds: float, wanted_per_second: float) -> tuple[int, int, int, int]:
        """How many were wanted, sent, answered and refused."""
        totals = [0, 0, 0, 0]
        for _ in range(round(seconds / TICK_SECONDS)):
            self.now += 1
            self.wanted += wanted_per_second * TICK_SECONDS
            wanted, self.wanted = int(self.wanted), self.wanted % 1
            sent = self._send(wanted)
            answered, refused = self.service.tick(sent)
            self._hear(answered, refused)
            for place, count in enumerate((wanted, sent, answered, refused)):
                totals[place] += count
        return totals[0], totals[1], totals[2], totals[3]

    def _send(self, wanted: int) -> int:
        sent = 0
        for caller, throttle in enumerate(self.throttles):
            share = wanted // self.callers + (caller < wanted % self.callers)
            allowed = throttle.allow(share)
            self.sent_by.extend([caller] * allowed)
            sent += allowed
        return sent

    def _hear(self, answered: int, refused: int) -> None:
        for _ in range(refused):
            self.throttles[self.sent_by.popleft()].shed()
        for _ in range(answered):
            self.throttles[self.sent_by.popleft()].accepted()


def test_nothing_is_held_back_of_what_is_answered() -> None:
    """A caller that is never refused is held back only until its first answers come."""
    world = World(6000.0)
    wanted, sent, _, refused = world.run(3, 4000)
    assert (wanted - sent, refused) == (0, 0)


@settings(max_examples=10, deadline=None)
@given(st.floats(1_500, 4_000), st.floats(1.5, 12), st.integers(1, 4))
def test_what_is_too_much_stays_with_the_callers(
    per_second: float, factor: float, callers: int
) -> None:
    """Whatever the factor, a service of which too much is wanted does nearly what it can.

    Though it tells all callers at once, as ours does not.
    """
    world = World(per_second, callers)
    world.run(0.5, 0.7 * per_second)
    world.run(0.5, factor * per_second)
    _, sent, answered, refused = world.run(2, factor * per_second)
    assert answered >= 0.85 * 2 * per_second
    assert refused <= 0.1 * sent


@settings(max_examples=10, deadline=None)
@given(st.floats(800, 3_000), st.floats(1.2, 12), st.floats(0.2, 0.7))
def test_nothing_is_held_back_soon_after_the_load_has_fallen(
    per_second: float, factor: float, calm: float
) -> None:
    """A second after what is wanted is less than what can be done, all of it is sent."""
    world = World(per_second)
    world.run(2, factor * per_second)
    world.run(1, calm * per_second)
    wanted, sent, _, _ = world.run(1, calm * per_second)
    assert sent == wanted


@settings(max_examples=10, deadline=None)
@given(st.floats(800, 3_000), st.floats(1.5, 10))
def test_an_outage_is_over_soon_after_its_end(per_second: float, factor: float) -> None:
    """From nothing at all to nearly everything in two seconds, though far too much is wanted."""
    world = World(per_second)
    throttle = world.throttles[0]
    for _ in range(2000):
        world.now += 1
        throttle.shed(throttle.allow(10))
    assert throttle.bound == 1
    world.run(2, factor * per_second)
    _, _, answered, _ = world.run(1, factor * per_second)
    assert answered >= 0.9 * per_second


def test_an_outage_is_no_word_of_where_the_bound_was_right() -> None:
    """However often nothing is answered: one more an answer, up to where it was before."""
    now = 0.0
    throttle = Throttle(monotonic=lambda: now)
    for _ in range(100):
        throttle.shed(throttle.allow(100))
    assert throttle.bound == 1
    now += 1
    for answers in range(1, 48):
        throttle.allow(100)
        throttle.accepted()
        assert throttle.bound == 1 + answers
    throttle.allow(100)
    throttle.accepted()
    assert throttle.bound == 48


def test_somebody_is_always_let_through() -> None:
    """Where everything is refused, five a second still ask whether it is over."""
    world = World(1000.0)
    throttle = world.throttles[0]
    for _ in range(500):
        world.now += 1
        throttle.shed(throttle.allow(3))
    allowed = 0
    for _ in range(10_000):
        world.now += 1
        allowed += (sent := throttle.allow(3))
        throttle.shed(sent)
    assert 45 <= allowed <= 55


def test_a_service_that_does_not_answer_gets_nothing_more() -> None:
    """What is under way is bounded, and so is what waits for a service that hangs."""
    throttle = Throttle()
    assert throttle.allow(1000) == FIRST_BOUND
    assert throttle.allow(1) == 0
    throttle.gone(FIRST_BOUND)
    assert throttle.allow(1) == 1


def test_what_was_on_its_way_together_counts_once() -> None:
    """Refusals of calls that were sent before the first one was heard take nothing more away."""
    throttle = Throttle(first_bound=100)
    throttle.allow(100)
    throttle.shed(1)
    assert throttle.bound == 75
    for _ in range(99):
        throttle.shed(1)
    assert throttle.bound == 75
    throttle.allow(1)
    throttle.shed(1)
    assert throttle.bound == 56
