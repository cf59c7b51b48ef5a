"""How many are let in a second follows what the service really finishes."""

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.crowd_model import PATIENCE_SECONDS, CrowdModel, Second
from zikao_enrollment.domain.admission_rate import (
    LEAST_PER_PROCESS,
    START_PER_PROCESS,
    AdmissionRate,
    Credit,
    Seen,
)

CAPACITIES = (1_500, 5_000, 20_000)


def steady(capacity: float) -> Callable[[float], float]:
    """A service that never changes."""
    return lambda _: capacity


def goodput(seconds: Sequence[Second]) -> float:
    """What was finished a second."""
    return sum(second.finished for second in seconds) / len(seconds)


@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("capacity", CAPACITIES)
def test_the_capacity_is_found_within_seconds_and_kept(capacity: int, share: float) -> None:
    """From the tenth second on 85 % of what is possible is finished, however few come."""
    processes = max(1, capacity // 5_000)
    seconds = CrowdModel(steady(capacity), share=share, processes=processes).run(30)
    assert goodput(seconds[10:]) >= 0.85 * capacity
    if share == 1.0:
        assert goodput(seconds[:10]) >= 0.6 * capacity
        assert goodput(seconds[5:15]) >= 0.85 * capacity
    assert max(second.longest_wait for second in seconds[10:]) < 0.2


def test_who_comes_seldom_is_counted_on_no_more() -> None:
    """With one in ten who comes, ten times as many are let in, within fifteen seconds."""
    model = CrowdModel(steady(3_000), share=0.1)
    seconds = model.run(25)
    assert goodput(seconds[15:]) >= 0.8 * 3_000
    assert model.rate.share == pytest.approx(0.1, abs=0.03)


def test_people_who_take_their_time_are_waited_for() -> None:
    """Who needs seconds to come is expected, and those on their way are not far too many."""
    seconds = CrowdModel(steady(3_000), delay=lambda rng: rng.uniform(0.2, 6), share=0.8).run(40)
    assert goodput(seconds[10:]) >= 0.6 * 3_000
    # Without waiting, doubling each second would let in half a million in the first ten.
    assert sum(second.admitted for second in seconds[:10]) < 15 * 3_000


def test_a_queue_that_stands_lowers_the_rate_below_what_is_finished() -> None:
    """When the service becomes slower the rate falls below it, and the queue goes away."""
    model = CrowdModel(lambda at: 4_000 if at < 12 else 2_000)
    seconds = model.run(30)
    assert seconds[14].rate < 2_000
    assert max(second.longest_wait for second in seconds[25:]) < 0.2
    assert goodput(seconds[20:]) >= 0.7 * 2_000


def test_a_service_that_becomes_faster_is_used() -> None:
    """Twice the capacity is found within eight seconds."""
    seconds = CrowdModel(lambda at: 2_000 if at < 12 else 4_000).run(30)
    assert goodput(seconds[20:]) >= 0.85 * 4_000


def test_a_standstill_does_not_starve_those_who_wait() -> None:
    """After eight seconds without a single answer the rate is that of before, not nothing."""
    seconds = CrowdModel(lambda at: 0 if 12 <= at < 20 else 4_000).run(22)
    assert seconds[21].rate >= 0.5 * 4_000


def test_others_keep_what_they_use() -> None:
    """With three fifths of the service used by those who need no pass, the rate takes the rest."""
    seconds = CrowdModel(steady(5_000), others=3_000).run(40)
    assert 1_700 <= sum(second.admitted for second in seconds[20:]) / 20 <= 2_200
    assert max(second.longest_wait for second in seconds[20:]) < PATIENCE_SECONDS / 2


def test_shedding_counts_as_a_queue() -> None:
    """A service that sends more than a fiftieth away is given less, though no queue shows."""
    rate = AdmissionRate()
    before = rate.observe(0.0, _seen(finished=0))
    assert before == START_PER_PROCESS
    assert rate.observe(0.25, _seen(finished=100, shed=1)) > before
    assert rate.observe(0.5, _seen(finished=200, shed=9)) < before
    assert rate.is_standing


def test_one_or_two_who_are_sent_away_are_no_queue() -> None:
    """At the beginning few are finished in a moment: one refusal is a large share of them."""
    rate = AdmissionRate()
    rate.observe(0.0, _seen(finished=0))
    before = rate.observe(0.25, _seen(finished=60))
    assert rate.observe(0.35, _seen(finished=70, shed=2)) >= before


@pytest.mark.parametrize("others", [0, 10])
@pytest.mark.parametrize("ticks", [(1,), (0, 1, 2)])
def test_a_queue_before_anybody_has_come_costs_nothing(ticks: tuple[int], others: int) -> None:
    """People come 2 s after their turn: what stands before that takes nothing from the opening.

    Refusals of others are finished meanwhile, which says nothing of what can be.
    """
    model = CrowdModel(steady(3_000), delay=lambda rng: rng.uniform(1, 3), processes=2)
    for tick in range(3):
        seen = Seen(2, others * tick, 0, 0.0, tick in ticks, 0, 0, 0.0)
        assert model.rate.observe(tick * 0.25 - 0.75, seen) == 2 * START_PER_PROCESS
    seconds = model.run(15)
    assert seconds[1].rate == 2 * START_PER_PROCESS
    assert goodput(seconds[8:]) >= 0.5 * 3_000


def test_the_first_who_come_do_not_set_the_rate_for_long() -> None:
    """A queue while only sixty have come makes the rate a low one for seconds, not for minutes."""
    rate, now = AdmissionRate(), 0.0
    rate.observe(now, _seen(finished=0, processes=2))
    rate.observe(0.25, _seen(finished=60, processes=2))
    assert rate.observe(1.0, _seen(finished=60, standing=True, processes=2)) < 60
    for tick in range(1, 21):
        now = 1.0 + tick * 0.25
        rate.observe(now, _seen(finished=60 + 60 * tick, processes=2))
    assert rate.rate >= 2 * START_PER_PROCESS / 3


def test_a_new_leader_goes_on_with_what_was_found() -> None:
    """It begins at the rate of the old one, and does not double it."""
    rate = AdmissionRate(3_000.0)
    for tick in range(8):
        rate.observe(tick * 0.25, _seen(finished=50_000 + tick * 750))
        assert 3_000 <= rate.rate <= 3_500


def test_somebody_is_always_let_in() -> None:
    """A queue that never goes away lowers the rate to one a second and process, not to none."""
    rate = AdmissionRate()
    for tick in range(2_000):
        rate.observe(tick * 0.25, _seen(finished=tick, standing=True))
    assert rate.rate == pytest.approx(LEAST_PER_PROCESS, abs=5)
    assert rate.rate >= LEAST_PER_PROCESS


@given(
    rates=st.lists(st.floats(0, 50_000), min_size=1, max_size=200),
    ticks=st.floats(0.05, 0.6),
)
def test_whole_people_come_out_of_any_rate(rates: list[float], ticks: float) -> None:
    """What is let in is the sum of all rates, less no more than one person, in every moment."""
    credit = Credit(1.0)
    assert credit.take(0.0, rates[0], 10**9) == 0
    due, let_in = 0.0, 0
    for number, rate in enumerate(rates, 1):
        elapsed = number * ticks - (number - 1) * ticks
        due += rate * elapsed
        let_in += credit.take(number * ticks, rate, 10**9)
        assert due - 1 - 1e-6 * due <= let_in <= due + 1e-6 * due


def test_a_fixed_rate_is_kept_exactly() -> None:
    """800 a second for 12.5 s, a tick each quarter of a second, are 10,000."""
    credit = Credit(1.0)
    assert sum(credit.take(tick * 0.25, 800.0, 10**9) for tick in range(51)) == 10_000


def test_nothing_is_saved_up() -> None:
    """After a pause of the leader, or of those who come, at most a second's worth is let in."""
    credit = Credit(1.0)
    credit.take(0.0, 100.0, 10**9)
    assert credit.take(60.0, 100.0, 10**9) == 100
    for tick in range(40):
        credit.take(60.25 + tick * 0.25, 100.0, 0)
    assert credit.take(70.25, 100.0, 10**9) <= 26


@settings(max_examples=8, deadline=None)
@given(
    capacity=st.integers(500, 20_000),
    share=st.floats(0.2, 1.0),
    longest=st.floats(0.1, 1.0),
)
def test_whoever_comes_the_service_is_neither_flooded_nor_idle(
    capacity: int, share: float, longest: float
) -> None:
    """From any capacity, share and haste: two thirds used, and nobody waits half a second."""

    def delay(rng: random.Random) -> float:
        return rng.uniform(0.0, longest)

    model = CrowdModel(
        steady(capacity), delay=delay, share=share, processes=max(1, capacity // 5_000)
    )
    seconds = model.run(25)
    assert goodput(seconds[15:]) >= 0.66 * capacity
    assert max(second.longest_wait for second in seconds[15:]) < 0.5


def _seen(finished: int, shed: int = 0, *, standing: bool = False, processes: int = 1) -> Seen:
    """What a moment shows in which all that were let in have come at once."""
    return Seen(processes, finished, shed, 0.0, standing, finished, finished, 0.0)
