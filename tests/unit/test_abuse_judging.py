"""What a round of bench_abuse says, also of times in which nobody was answered."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest
from bench.abuse_honest import READ, READS_A_SUBMISSION, mixed
from bench.bench_abuse import PEOPLE, ROUNDS, lost_of, round_of, said_of, sessions_of, targets_of
from support.abuse import KINDS, NOBODY

Told = dict[str, Any]
DID: Told = {
    "cpu_seconds": 0.1,
    "deeds": 120,
    "open_at_most": 2,
    "connections": 3,
    "answers": {"closed": 1},
}


def phase(per_second: float, **more: Any) -> Told:
    """What honest callers saw when so many calls a second were answered."""
    return {
        "per_second": per_second,
        "per_second_by_part": [per_second],
        "cores": {"server": 1.0, "postgres": 0.2, "honest": 0.3},
        "failures": {},
        "p99_ms": 20.0,
        "portal_p99_ms": 20.0,
        "portal_failures": {},
        "newcomers": 1,
        "newcomer_slowest_ms": 20.0,
        "newcomer_failures": {},
    } | more


@pytest.mark.parametrize(
    ("rates", "ratio", "cost"),
    [
        ((2000, 1500, 1000), 1.0, "0.500 0.667 1.000"),
        ((2000, 0, 2000), 0.0, "0.500 - 0.500"),
        ((2000, 1500, 0), 1.5, "0.500 0.667 -"),
        ((0, 1500, 0), 0.0, "- 0.667 -"),
        ((0, 0, 0), 0.0, "- - -"),
    ],
)
def test_a_time_without_answers_is_a_result(
    rates: tuple[float, float, float], ratio: float, cost: str
) -> None:
    """Of 0; beside nothing nothing was left."""
    before, during, after = map(phase, rates)
    told = round_of(before, during, after, DID)
    assert told["during_per_beside"] == ratio
    line = said_of(NOBODY, "full", told)
    assert f"({ratio:.2f}), {cost} ms of the server a call" in line


def test_honest_calls_whose_connection_ended_are_lost() -> None:
    """By whomever; refusals are not."""
    during = phase(
        1000,
        failures={"14 reset": 2, "8 OVERLOADED": 5},
        portal_failures={"UNAVAILABLE": 1},
        newcomer_failures={"OVERLOADED": 1},
    )
    rounds = [round_of(phase(1000), during, phase(1000), DID)]
    assert lost_of(rounds) == 3
    measured = {
        "during_per_beside": 0.0,
        "rss_before_mib": 100.0,
        "peak_rss_mib": 101.0,
        "rounds": rounds,
    }
    targets = targets_of({"ping_flood": {"full": measured}}, broken=0)
    assert {name for name, target in targets.items() if not target.is_kept} == {
        "full_ping_flood",
        "lost_full_ping_flood",
    }


def test_every_tenth_call_is_a_submission_until_there_are_no_more() -> None:
    """Then the calls end, too: fewer answers are to have no other cause than the server."""
    submissions = [(b"head", b"body %d" % number) for number in range(3)]
    calls = list(mixed(iter(submissions)))
    assert len(calls) == 3 * (READS_A_SUBMISSION + 1)
    assert calls[READS_A_SUBMISSION :: READS_A_SUBMISSION + 1] == submissions
    assert all(READ.encode() in head for head, _ in islice(calls, READS_A_SUBMISSION))


def test_submissions_last_for_all_kinds() -> None:
    """At more calls a second than any core here has done, for longer than the rounds take."""
    calls = sessions_of(1 + len(KINDS), list(ROUNDS)) * PEOPLE * (READS_A_SUBMISSION + 1)
    assert calls > 5_000 * (1 + len(KINDS)) * sum(ROUNDS.values()) * 18
