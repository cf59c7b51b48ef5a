"""What a caller keeps to itself when a service has too much, against a service in numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st
from zikao_client.throttle import Throttle

TICK_SECONDS = 0.005
QUEUE_SECONDS = 0.02
WORK_AHEAD_SECONDS = 0.02


@dataclass
class Service:
    """Does `per_second` of what it takes in; beyond a short queue it refuses, at the same cost."""

    per_second: float
    waiting: int = 0
    work: float = 0.0

    def tick(self, sent: int) -> tuple[int, int]:
        """Take what was sent, evenly spread; how many it has answered and refused meanwhile."""
        answered = refused = 0
        for _ in range(max(1, sent)):
            self.work += self.per_second * TICK_SECONDS / max(1, sent)
            done = min(self.waiting, max(0, int(self.work)))
            self.waiting -= done
            self.work -= done
            answered += done
            if not self.waiting:
                self.work = min(self.work, 0.0)
            if not sent:
                continue
            if self.waiting < self.per_second * QUEUE_SECONDS:
                self.waiting += 1
            else:
                refused += 1
                self.work -= 1
        self.work = max(self.work, -WORK_AHEAD_SECONDS * self.per_second)
        return answered, refused


@dataclass
class World:
    """A throttle before a service, in the time of neither."""

    per_second: float
    now: int = 0

    def __post_init__(self) -> None:
        """Nothing was sent so far."""
        self.service = Service(self.per_second)
        self.throttle = Throttle(monotonic=lambda: self.now * TICK_SECONDS)
        self.wanted = 0.0

    def run(self, seconds: float, wanted_per_second: float) -> tuple[int, int, int]:
        """How many were wanted, sent and answered."""
        wanted_all = sent_all = answered_all = 0
        for _ in range(round(seconds / TICK_SECONDS)):
            self.now += 1
            self.wanted += wanted_per_second * TICK_SECONDS
            wanted, self.wanted = int(self.wanted), self.wanted % 1
            sent = self.throttle.allow(wanted)
            answered, refused = self.service.tick(sent)
            self.throttle.accepted(answered)
            self.throttle.shed(refused)
            wanted_all += wanted
            sent_all += sent
            answered_all += answered
        return wanted_all, sent_all, answered_all


def test_everything_goes_through_until_something_is_refused() -> None:
    """A caller that is never refused is never held back, whatever it sends."""
    throttle = Throttle(monotonic=lambda: 0.0)
    assert throttle.allow(1_000_000) == 1_000_000
    throttle.accepted(5)
    assert throttle.per_second == math.inf


@settings(max_examples=25, deadline=None)
@given(st.floats(400, 6_000), st.floats(1.5, 12))
def test_what_is_too_much_stays_with_the_caller(per_second: float, factor: float) -> None:
    """Whatever the factor, a service of which too much is wanted does nearly what it can."""
    world = World(per_second)
    world.run(2, 0.7 * per_second)
    world.run(2, factor * per_second)
    _, sent, answered = world.run(4, factor * per_second)
    assert answered >= 0.93 * 4 * per_second
    assert sent <= 1.07 * 4 * per_second


@settings(max_examples=25, deadline=None)
@given(st.floats(400, 6_000), st.floats(1.2, 12), st.floats(0.2, 0.8))
def test_nothing_is_held_back_soon_after_the_load_has_fallen(
    per_second: float, factor: float, calm: float
) -> None:
    """Two seconds after what is wanted is less than what can be done, all of it is sent."""
    world = World(per_second)
    world.run(5, factor * per_second)
    world.run(2, calm * per_second)
    wanted, sent, _ = world.run(2, calm * per_second)
    assert sent == wanted
    world.run(2, calm * per_second)
    assert world.throttle.per_second == math.inf


@settings(max_examples=25, deadline=None)
@given(st.floats(400, 6_000), st.floats(1.5, 10))
def test_an_outage_is_over_soon_after_its_end(per_second: float, factor: float) -> None:
    """From nothing at all to nearly everything in four seconds, though far too much is wanted."""
    world = World(per_second)
    world.run(2, 0.7 * per_second)
    for _ in range(1000):
        world.now += 1
        world.throttle.shed(world.throttle.allow(round(per_second * TICK_SECONDS)))
    assert world.throttle.per_second == 5.0
    world.run(4, factor * per_second)
    _, _, answered = world.run(2, factor * per_second)
    assert answered >= 0.9 * 2 * per_second


def test_somebody_is_always_let_through() -> None:
    """Where everything is refused, five a second still ask whether it is over."""
    world = World(0.0)
    world.throttle.shed()
    allowed = 0
    for _ in range(2000):
        world.now += 1
        allowed += (sent := world.throttle.allow(3))
        world.throttle.shed(sent)
    assert 45 <= allowed <= 51


def test_what_was_not_sent_is_not_sent_on_top_later() -> None:
    """A caller that was silent has no stock of calls to send at once."""
    world = World(1000.0)
    world.throttle.accepted(500)
    world.throttle.shed()
    world.now += 190
    assert world.throttle.allow(1000) <= 0.02 * world.throttle.per_second
