"""From ticks to figures: the peak, phases, and what the verdict looks at.

Goodput is what is answered for good: seats, or a final no. A rate is that of a tick. The peak is
what is done all the time while a little more is wanted than can be, by the people of the opening,
who look around and pay as they do there: the best two seconds would be those of a burst.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from zikao_ctl.rush.histograms import merged
from zikao_ctl.rush.records import JOURNEY, SUBMIT, Check, Counts, Payments, Phase, Tick
from zikao_ctl.rush.ticking import LAG, TICK_SECONDS

# Of the plateau, while callers learn what there is to have, and the first of them come to pay.
SETTLING_TICKS = 8
BEST_TICKS = 4
OVERLOADED_FROM = 1.05
CALM_UNTIL = 0.7
# What is judged by fewer would be chance.
FEWEST_TICKS = 4
# One tick without anybody turned away may be chance.
QUIET_TICKS = 3
WARMING_TICKS, LAGGING_TICKS = 6, 4
# Of an overload that begins; in its first second callers make their way.
MOMENT_SECONDS, FIRST_SECONDS = 1.0, 10.0
MOST_LAG_MS = 50.0
MOST_CPU = 0.95

_COUNTS = tuple(Counts.__annotations__)


def goodput(tick: Tick) -> int:
    """Answered for good in a tick."""
    return tick["accepted"] + tick["refused"]


def done_a_second(ticks: Sequence[Tick]) -> float:
    """The mean."""
    return sum(map(goodput, ticks)) / (len(ticks) * TICK_SECONDS) if ticks else 0.0


def peak_of(plateau: Sequence[Tick]) -> float:
    """What is done a second while more is wanted, without the time that callers need to settle."""
    return done_a_second(plateau[SETTLING_TICKS:])


def is_plateau(ticks: Sequence[Tick]) -> bool:
    """Whether more was wanted than done all the time: people may run out."""
    settled = ticks[SETTLING_TICKS:]
    return bool(settled) and all(tick["offered"] > goodput(tick) for tick in settled)


def best_of(ticks: Sequence[Tick]) -> float:
    """The best two seconds, per second: where there is no plateau, at least that is known."""
    ends = range(BEST_TICKS, len(ticks) + 1)
    return max((done_a_second(ticks[end - BEST_TICKS : end]) for end in ends), default=0)


def most_came(ticks: Sequence[Tick]) -> float:
    """How many came a second for the first time, in the busiest second."""
    came = [tick["came"] for tick in ticks]
    return max(map(sum, pairwise(came)), default=0) / (2 * TICK_SECONDS)


def still_follows(ticks: Sequence[Tick]) -> bool:
    """Whether the service still does what it is offered: not once four ticks lagged behind.

    The first seconds do not count: connections, plans and caches are made in them.
    """
    last = ticks[WARMING_TICKS:][-LAGGING_TICKS:]
    behind = [tick for tick in last if tick["offered"] and goodput(tick) < 0.8 * tick["offered"]]
    return len(behind) < LAGGING_TICKS


def phase_of(
    name: str,
    ticks: Sequence[Tick],
    cpu_seconds: Mapping[str, float],
    generators: int,
    span: tuple[float, float],
) -> Phase:
    """A phase, of its ticks and of the CPU seconds that each side has used in it."""
    begins, ends = span
    lasted = max(ends - begins, TICK_SECONDS)
    latencies = merged(tick["hist"] for tick in ticks)
    cores = {side: used / lasted for side, used in cpu_seconds.items()}
    lag = latencies.percentile_ms(LAG, 99)
    is_bound = lag > MOST_LAG_MS or cores.get("generator", 0.0) > MOST_CPU * generators
    return Phase(
        name=name,
        begins=begins,
        ends=ends,
        goodput=sum(map(goodput, ticks)) / lasted,
        submit_p50_ms=latencies.percentile_ms(SUBMIT, 50),
        submit_p99_ms=latencies.percentile_ms(SUBMIT, 99),
        cpu=cores,
        lag_p99_ms=lag,
        generator_bound=is_bound,
        **sum_counts(ticks),
    )


def sum_counts(ticks: Iterable[Tick]) -> Counts:
    """What was counted in all of them."""
    counts = Counts(
        offered=0, held_back=0, sent=0, accepted=0, shed=0, refused=0, doubtful=0, dropped=0
    )
    for tick in ticks:
        for name in _COUNTS:
            counts[name] += tick[name]  # type: ignore[literal-required]
    return counts


def metrics_of(
    ticks: Sequence[Tick],
    *,
    phases: Sequence[Phase],
    peak: float,
    outcomes: Mapping[str, int],
    checks: Sequence[Check],
    payments: Payments,
    broken_invariants: int,
    in_line: bool = False,
) -> dict[str, float]:
    """All metrics that were measured (records.METRICS).

    `outcomes`: candidates by their last word. `in_line`: there is a waiting room, in which people
    wait for their turn also when there is no overload.
    """
    opening = [tick for tick in ticks if tick["at"] > 0]
    counts = sum_counts(opening)
    whole = merged(tick["hist"] for tick in opening)
    came = sum(outcomes.values())
    found = {each["name"]: float(each["violations"]) for each in checks}
    metrics = {
        **found,
        "violations": broken_invariants + sum(found.values()),
        "peak": peak,
        "load_factor": most_came(opening) / peak if peak else 0.0,
        "accepted_share": 1 - outcomes.get("open", 0) / came if came else 0.0,
        "seats_given": float(counts["accepted"]),
        "journey_p99_seconds": whole.percentile_ms(JOURNEY, 99) / 1000,
        "dropped_share": counts["dropped"] / max(1, counts["offered"]),
        "lag_p99_ms": whole.percentile_ms(LAG, 99),
        "generator_bound_phases": float(sum(phase["generator_bound"] for phase in phases)),
    }
    if payments["booked"]:
        metrics["payments_within_1s_share"] = payments["booked_within_1s"] / payments["made"]
    metrics |= _while_overloaded(opening, peak, in_line=in_line)
    sustained = max(1.0, metrics.get("goodput_overloaded_ratio", 1.0))
    metrics["load_of_sustained"] = metrics["load_factor"] / sustained
    return metrics


def _while_overloaded(ticks: Sequence[Tick], peak: float, *, in_line: bool) -> dict[str, float]:
    def offered(tick: Tick) -> float:
        return tick["offered"] / TICK_SECONDS

    over = _matching(ticks, lambda tick: offered(tick) > OVERLOADED_FROM * peak)
    calm = _matching(ticks, lambda tick: 0 < offered(tick) < CALM_UNTIL * peak)
    metrics: dict[str, float] = {}
    if over and peak:
        since = over[0]["at"] - TICK_SECONDS
        settled = [tick for tick in over if tick["at"] - since > SETTLING_TICKS * TICK_SECONDS]
        first = [tick for tick in over if MOMENT_SECONDS < tick["at"] - since <= FIRST_SECONDS]
        if len(settled) >= FEWEST_TICKS:
            metrics["goodput_overloaded_ratio"] = done_a_second(settled) / peak
            metrics["goodput_first_10s_ratio"] = done_a_second(first) / peak
        metrics["submit_p99_overloaded_ms"] = _p99(over)
        after = [tick for tick in ticks if tick["at"] > over[-1]["at"]]
        recovered = recovery_seconds(after, in_line=in_line)
        if recovered is not None:
            metrics["recovery_seconds"] = recovered
    if calm and (p99 := _p99(calm)):
        metrics["submit_p99_calm_ms"] = p99
        if "submit_p99_overloaded_ms" in metrics:
            metrics["submit_p99_ratio"] = metrics["submit_p99_overloaded_ms"] / p99
    return metrics


def recovery_seconds(after: Sequence[Tick], *, in_line: bool) -> float | None:
    """From the last overloaded tick, of those after it, until three turned nobody away.

    None where it was not seen: the rehearsal ended before.
    """
    quiet = 0
    for number, tick in enumerate(after, start=1):
        turned_away = tick["shed"] + tick["doubtful"] + (0 if in_line else tick["held_back"])
        quiet = 0 if turned_away else quiet + 1
        if quiet == QUIET_TICKS:
            return (number - QUIET_TICKS) * TICK_SECONDS
    return None


def _matching(ticks: Iterable[Tick], wanted: Callable[[Tick], bool]) -> list[Tick]:
    return [tick for tick in ticks if wanted(tick)]


def _p99(ticks: Iterable[Tick]) -> float:
    return merged(tick["hist"] for tick in ticks).percentile_ms(SUBMIT, 99)
