"""Whether a mutant was caught: every named test has failed, by itself, and said what it should."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as ET

from mutation.mutant import Catch

TESTS_FAILED = 1
# How pytest begins a line that failed, one of its failure, and both where several failed together.
PLACE, FAILURE, TOGETHER = ">   ", "E   ", "|"


class Result(NamedTuple):
    """A test that ran: `test` as pytest takes it, without parameters.

    `failure` is what `what_failed` leaves of its traceback, None when it passed; `broken`: it was
    not the test that failed, but what was made ready for it or cleaned up after it.
    """

    test: str
    failure: str | None
    broken: bool


class Outcome(StrEnum):
    """What became of a mutant."""

    CAUGHT = "caught"
    # A named test has passed.
    SURVIVED = "survived"
    # A test has failed without saying what was expected: who knows why.
    UNCLEAR = "unclear"
    # Nothing was tested: it did not start, broke in a fixture, or took too long.
    NOT_RUN = "not run"


def read_results(path: Path) -> tuple[Result, ...]:
    """What pytest has written with --junitxml."""
    return tuple(_result(case) for case in ET.parse(path).iter("testcase"))


def judge(exit_code: int | None, results: Sequence[Result], catches: Sequence[Catch]) -> Outcome:
    """What a run of the tests of `catches` says of the mutant."""
    if exit_code not in (0, TESTS_FAILED):
        return Outcome.NOT_RUN
    verdicts = {_judge_one(results, catch) for catch in catches}
    worst_first = (Outcome.NOT_RUN, Outcome.SURVIVED, Outcome.UNCLEAR, Outcome.CAUGHT)
    return next(outcome for outcome in worst_first if outcome in verdicts)


def _judge_one(results: Sequence[Result], catch: Catch) -> Outcome:
    own = [result for result in results if result.test == catch.test]
    failures = [result.failure for result in own if result.failure is not None]
    if not failures:
        ran = own and not any(result.broken for result in own)
        return Outcome.SURVIVED if ran else Outcome.NOT_RUN
    said = any(_says(failure, catch) for failure in failures)
    return Outcome.CAUGHT if said else Outcome.UNCLEAR


def _says(failure: str, catch: Catch) -> bool:
    lines = failure.splitlines()
    said = any(catch.says in line for line in lines if not line.startswith(PLACE))
    there = any(catch.at in line for line in lines if not line.startswith(FAILURE))
    return said and there


def _result(case: ET.Element) -> Result:
    module = case.get("classname", "").replace(".", "/")
    name = case.get("name", "").partition("[")[0]
    failures = [each.text or "" for each in case.iterfind("failure")]
    failure = what_failed("\n".join(failures)) if failures else None
    return Result(f"{module}.py::{name}", failure, case.find("error") is not None)


def what_failed(traceback: str) -> str:
    """Of pytest's output the lines that failed, and what they failed with.

    It prints the source of the test around them: words that stand there say nothing.
    """
    return "\n".join(
        line
        for line in traceback.splitlines()
        if line.startswith((PLACE, FAILURE)) or line.lstrip(" ").startswith(TOGETHER)
    )
