"""Figures of a rehearsal: what counts as the peak, as overload and as recovery."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, cast

import pytest
from zikao_ctl.rush.caller import comes
from zikao_ctl.rush.generators import add_ticks
from zikao_ctl.rush.histograms import Histograms
from zikao_ctl.rush.measuring import (
    SETTLING_TICKS,
    best_of,
    is_plateau,
    metrics_of,
    most_came,
    peak_of,
    phase_of,
    recovery_seconds,
    still_follows,
)
from zikao_ctl.rush.records import Payments, Tick
from zikao_ctl.rush.ticking import COUNTED, Ticker, tick_end

NOBODY_PAID = Payments(
    made=0,
    booked_within_1s=0,
    booked=0,
    late=0,
    twice=0,
    wrong_amount=0,
    never=0,
    refunded=0,
    series=[],
)


def tick(at: float, accepted: int, offered: int | None = None, **others: Any) -> Tick:
    """Half a second in which so many were accepted; offered as many unless said."""
    histograms = Histograms()
    for _ in range(accepted):
        histograms.record("submit", others.get("took", 0.01))
    counts = dict.fromkeys(COUNTED, 0)
    counted = {
        "at": at,
        "phase": "opening",
        **counts,
        "accepted": accepted,
        "offered": accepted if offered is None else offered,
        "waiting": 0,
        "in_flight": 0,
        "lag_ms": 1.0,
        "hist": histograms.take(),
        **{name: value for name, value in others.items() if name in counts},
    }
    return cast(Tick, counted)


def test_the_peak_is_what_is_done_all_the_time_on_the_plateau() -> None:
    """The mean of final answers, a no like seats, without the time in which callers settle."""
    done = [10] * SETTLING_TICKS + [90, 40, 40, 40, 10]
    ticks = [tick(at / 2, count, refused=count) for at, count in enumerate(done)]
    assert peak_of(ticks) == 2 * 2 * sum(done[SETTLING_TICKS:]) / 5
    assert peak_of([]) == peak_of(ticks[:SETTLING_TICKS]) == 0


def test_where_people_ran_out_there_is_no_plateau() -> None:
    """More has to be wanted than done to the end; else only the best two seconds are known."""
    wanted = [tick(at / 2, 40, offered=60) for at in range(SETTLING_TICKS + 4)]
    assert is_plateau(wanted)
    assert not is_plateau([*wanted, tick(4.0, 40, offered=40)])
    assert not is_plateau([])
    assert best_of([*wanted, tick(4.0, 80), tick(4.5, 0)]) == (40 + 40 + 40 + 80) / 2
    assert best_of([]) == 0


def test_the_load_is_measured_by_those_who_come_for_the_first_time() -> None:
    """In the busiest whole second; those who come again are not counted twice."""
    came = [5, 20, 40, 30, 10]
    assert most_came([tick(at / 2, 0, offered=500, came=n) for at, n in enumerate(came)]) == 70
    assert most_came([]) == 0


def test_the_search_for_the_peak_ends_once_the_service_lags_and_not_while_it_warms_up() -> None:
    """Four ticks far behind end it; the first three seconds, which make connections, never."""
    slow = [tick(at / 2, 10, offered=100) for at in range(6)]
    good = [tick(3 + at / 2, 95, offered=100) for at in range(3)]
    assert still_follows(slow)
    assert still_follows([*slow, *good])
    behind = [tick(5 + at / 2, 70, offered=100) for at in range(4)]
    assert still_follows([*slow, *good, *behind[:3]])
    assert not still_follows([*slow, *good, *behind])


def test_overload_is_judged_by_what_is_done_while_more_is_wanted() -> None:
    """Ratios to the peak and to calm times: of the overloaded ticks, less the first ones."""
    count = SETTLING_TICKS + 6
    over = [tick((at + 1) / 2, 45, offered=150, took=0.03, came=150) for at in range(count)]
    for first in over[:SETTLING_TICKS]:
        first["accepted"] = 0
    over[-2]["shed"] = 5
    ends = count / 2
    calm = [tick(ends + (at + 1) / 2, 10, took=0.02, shed=int(at < 2)) for at in range(6)]
    phases = [phase_of("opening", over, {"generator": 0.3}, 1, (0.0, ends))]
    metrics = metrics_of(
        [*over, *calm],
        phases=phases,
        peak=100.0,
        outcomes={"accepted": 180, "open": 20},
        checks=[],
        payments=NOBODY_PAID,
        broken_invariants=2,
    )
    assert metrics["goodput_overloaded_ratio"] == pytest.approx(0.9)
    assert metrics["goodput_first_10s_ratio"] == pytest.approx(0.9 * 6 / (count - 2))
    assert metrics["load_factor"] == metrics["load_of_sustained"] == pytest.approx(3.0)
    assert metrics["submit_p99_ratio"] == pytest.approx(1.5, rel=1e-2)
    assert metrics["recovery_seconds"] == 1.0
    assert metrics["accepted_share"] == pytest.approx(0.9)
    assert metrics["violations"] == 2
    assert "payments_within_1s_share" not in metrics, "what was not measured is not there"


def test_a_load_is_not_three_times_what_turns_out_to_be_borne() -> None:
    """A peak that was found too low: the load is also told in units of what was sustained."""
    metrics = over_for(SETTLING_TICKS + 6, done=60)
    assert metrics["goodput_overloaded_ratio"] == pytest.approx(1.2)
    assert metrics["load_factor"] == pytest.approx(3.0)
    assert metrics["load_of_sustained"] == pytest.approx(2.5)


def test_a_moment_of_overload_says_nothing() -> None:
    """Fewer than four ticks after the first seconds are not judged."""
    assert "goodput_overloaded_ratio" in over_for(SETTLING_TICKS + 4, done=50)
    assert "goodput_overloaded_ratio" not in over_for(SETTLING_TICKS + 3, done=50)


def over_for(ticks: int, done: int) -> dict[str, float]:
    """What is measured where three times the peak of 100 a second comes for so many ticks."""
    over = [tick((at + 1) / 2, done, offered=150, came=150) for at in range(ticks)]
    return metrics_of(
        over,
        phases=[],
        peak=100.0,
        outcomes={"accepted": 1},
        checks=[],
        payments=NOBODY_PAID,
        broken_invariants=0,
    )


def test_a_generator_that_is_busy_itself_is_told_from_a_slow_service() -> None:
    """Whoever uses its core whole, or comes late, has measured itself."""

    def phase(cores: float, late: float) -> bool:
        one = tick(0.5, 1)
        histograms = Histograms()
        histograms.record("lag", late)
        one["hist"] |= histograms.take()
        return phase_of("x", [one], {"generator": cores * 2.0}, 1, (0.0, 2.0))["generator_bound"]

    assert not phase(0.5, 0.01)
    assert phase(0.97, 0.01)
    assert phase(0.5, 0.08)


def test_in_a_waiting_room_waiting_is_no_sign_of_overload() -> None:
    """Without one, whom their own client holds back is still being turned away."""
    after = [tick(at / 2, 5, held_back=3) for at in range(4)]
    assert recovery_seconds(after, in_line=True) == 0
    assert recovery_seconds(after, in_line=False) is None, "it was not seen"


def test_the_parts_of_several_generators_make_one_tick() -> None:
    """Counts and latencies are added, the worst lag is kept."""
    first, second = tick(1.0, 3), tick(1.0, 4, shed=2)
    second["lag_ms"] = 9.0
    whole = add_ticks([first, second])
    assert (whole["accepted"], whole["shed"], whole["lag_ms"]) == (7, 2, 9.0)
    histograms = Histograms()
    histograms.add(whole["hist"])
    assert histograms.count("submit") == 7


def test_ticks_end_at_the_same_moments_everywhere_and_lose_nothing() -> None:
    """Half seconds of the machine's clock; what comes late is in the next tick."""
    told: list[Tick] = []
    ticker = Ticker(told.append, 10.2)
    ticker.counts["sent"] += 2
    ticker.advance(10.4)
    assert told == []
    ticker.advance(11.1)
    ticker.counts["sent"] += 1
    ticker.advance(11.5)
    assert [(each["at"], each["sent"]) for each in told] == [(10.5, 2), (11.0, 0), (11.5, 1)]
    assert tick_end(11.5) == 12.0


@pytest.mark.parametrize("coming", [0, 1, 7, 99, 100])
def test_on_a_slow_machine_exactly_so_many_come_spread_evenly(coming: int) -> None:
    """The curve keeps its shape: no part of the people is left out more than another."""
    chosen = [number for number in range(100) if comes(number, coming, 100)]
    assert len(chosen) == coming
    gaps = {second - first for first, second in pairwise(chosen)}
    assert max(gaps, default=1) - min(gaps, default=1) <= 1
