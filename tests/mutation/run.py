"""Take each safety mechanism away in turn, and see the tests notice (`make mutation`).

First the tests of all mutants pass on the project as it is; then those of each mutant have to
fail, and say why. Writes out/mutation/mutation.json, and after a whole run docs/safety.md. Ends
with 1 unless every mutant was caught. Names of mutants choose some; --list shows them all.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from mutation.mutant import Mutant
from mutation.mutants import MUTANTS
from mutation.page import PAGE, page_with_table
from mutation.shadow import ROOT, Run, Shadow
from mutation.verdict import Outcome, judge
from support.postgres import test_cluster

OUT = ROOT / "out" / "mutation"
# One more than cores: a test that waits in vain for what was taken away leaves its core to another.
LANES = len(os.sched_getaffinity(0)) + 1
MUTANT_SECONDS = 90.0
CONTROL_SECONDS = 240.0
# Of the output of a run that surprises.
LINES_SHOWN = 40


class Verdict(NamedTuple):
    """A mutant and what became of it."""

    mutant: Mutant
    outcome: Outcome
    run: Run

    @property
    def caught(self) -> bool:
        """Whether every named test has failed as it should."""
        return self.outcome is Outcome.CAUGHT

    def as_json(self) -> dict[str, object]:
        """One entry of mutation.json."""
        return {
            "name": self.mutant.name,
            "mechanism": self.mutant.mechanism,
            "removal": self.mutant.removal,
            "harm": self.mutant.harm,
            "files": list(self.mutant.files),
            "tests": list(self.mutant.tests),
            "outcome": self.outcome,
            "caught": self.caught,
            "said": [(each.test, each.failure) for each in self.run.results if each.failure],
            "seconds": round(self.run.seconds, 1),
        }


def main(arguments: Sequence[str]) -> int:
    """Run what the command line says; return the exit code."""
    if "--list" in arguments:
        sys.stdout.write("".join(f"{mutant.name}\n" for mutant in MUTANTS))
        return 0
    unknown = set(arguments) - {mutant.name for mutant in MUTANTS}
    if unknown:
        sys.stderr.write(f"no such mutant: {', '.join(sorted(unknown))}\n")
        return 2
    chosen = [m for m in MUTANTS if not arguments or m.name in arguments]
    begun = time.monotonic()
    with _lanes() as lanes, ThreadPoolExecutor(LANES) as pool:
        passed = all(pool.map(lambda part: _passes(lanes, part), _parts(chosen)))
        verdicts = list(pool.map(lambda mutant: _try(lanes, mutant), chosen)) if passed else []
    _report(chosen, verdicts, passed=passed, seconds=time.monotonic() - begun)
    if passed and all(verdict.caught for verdict in verdicts):
        if len(chosen) == len(MUTANTS):
            PAGE.write_text(page_with_table(), encoding="utf-8")
        return 0
    return 1


@contextmanager
def _lanes() -> Iterator[queue.SimpleQueue[Shadow]]:
    """Copies of the project, each with a cluster of its own."""
    lanes: queue.SimpleQueue[Shadow] = queue.SimpleQueue()
    with ExitStack() as stack:
        for _ in range(LANES):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="zikao-mutation-"))
            lanes.put(Shadow(Path(folder), stack.enter_context(test_cluster()).admin_dsn))
        yield lanes


def _parts(mutants: Sequence[Mutant]) -> list[list[str]]:
    """All tests of mutants, for the lanes: those of a file together."""
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    files = sorted({test.partition("::")[0] for test in tests})
    groups = [set(files[lane::LANES]) for lane in range(LANES)]
    return [[t for t in tests if t.partition("::")[0] in group] for group in groups if group]


def _passes(lanes: queue.SimpleQueue[Shadow], tests: Sequence[str]) -> bool:
    """Whether tests pass on the project as it is, every one."""
    shadow = lanes.get()
    try:
        run = shadow.run(tests, CONTROL_SECONDS)
    finally:
        lanes.put(shadow)
    seen = {result.test for result in run.results}
    if run.exit_code == 0 and seen == set(tests):
        return True
    _show(f"the unchanged project fails, or does not know {sorted(set(tests) - seen)}", run)
    return False


def _try(lanes: queue.SimpleQueue[Shadow], mutant: Mutant) -> Verdict:
    """Take the mechanism away, run its tests, put it back."""
    shadow = lanes.get()
    try:
        with shadow.changed(mutant.applied(ROOT)):
            run = shadow.run(mutant.tests, MUTANT_SECONDS)
    finally:
        lanes.put(shadow)
    outcome = judge(run.exit_code, run.results, mutant.catches)
    sys.stdout.write(f"{outcome:>9}  {mutant.name}  ({run.seconds:.1f} s)\n")
    sys.stdout.flush()
    if outcome is not Outcome.CAUGHT:
        _show(f"{mutant.name} was not caught", run)
    return Verdict(mutant, outcome, run)


def _show(what: str, run: Run) -> None:
    lines = run.output.splitlines()[-LINES_SHOWN:]
    sys.stderr.write("\n".join([f"--- {what} (exit code {run.exit_code})", *lines, "---\n"]))


def _report(
    chosen: Sequence[Mutant], verdicts: Sequence[Verdict], *, passed: bool, seconds: float
) -> None:
    caught = sum(verdict.caught for verdict in verdicts)
    report = {
        "unchanged_passes": passed,
        "mutants": len(chosen),
        "caught": caught,
        "whole": len(chosen) == len(MUTANTS),
        "seconds": round(seconds, 1),
        "verdicts": [verdict.as_json() for verdict in verdicts],
    }
    OUT.mkdir(parents=True, exist_ok=True)
    # What rehearsals show is a whole run; one of some mutants does not take its place.
    path = OUT / ("mutation.json" if report["whole"] else "some.json")
    path.write_text(json.dumps(report, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{caught} of {len(chosen)} mutants caught in {seconds:.0f} s; see {path}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
