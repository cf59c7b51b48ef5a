"""The mutants of `make mutation`, without running them: each still takes something away."""

from __future__ import annotations

import ast
import re
from collections import Counter

import pytest
from mutation.mutant import Catch, Cut, Mutant
from mutation.mutants import GROUPS, MUTANTS
from mutation.page import PAGE, page_with_table
from mutation.shadow import ROOT
from mutation.verdict import Outcome, Result, judge, what_failed

ENOUGH = 18
# What many failures say, whatever is wrong: a name alone, a refusal, one that did not come.
VAGUE = re.compile(
    r"\W*|assert|(\w+\.)*[A-Z]\w*(: [A-Z_]+)?|.*(StatusCode|details =).*"
    r"|DID NOT RAISE( AioRpcError| DomainError)?"
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_still_applies(mutant: Mutant) -> None:
    """What it removes is there exactly once: who moves a mechanism moves its mutant."""
    for file, text in mutant.applied(ROOT).items():
        if file.endswith(".py"):
            ast.parse(text)
    for catch in mutant.catches:
        file, _, name = catch.test.partition("::")
        tests = ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8")))
        assert name in {getattr(node, "name", None) for node in tests}, catch.test


CATCHES = [(mutant.name, catch) for mutant in MUTANTS for catch in mutant.catches]


@pytest.mark.parametrize("catch", [c for _, c in CATCHES], ids=[name for name, _ in CATCHES])
def test_a_catch_says_what_went_wrong(catch: Catch) -> None:
    """What any lost connection could say is asked for at one line of the test, which is there."""
    assert catch.at or not VAGUE.fullmatch(catch.says), catch.says
    assert not catch.says.startswith(">")
    file, _, _ = catch.test.partition("::")
    assert catch.at in (ROOT / file).read_text(encoding="utf-8")


MIGRATIONS = [cut for mutant in MUTANTS for cut in mutant.cuts if "/sql/migrations/" in cut.file]


@pytest.mark.parametrize("cut", MIGRATIONS, ids=lambda cut: cut.old.strip()[:40])
def test_what_a_migration_makes_is_there_in_the_end(cut: Cut) -> None:
    """No later migration has taken it away: a mutant of it would take nothing away any more."""
    schema = (ROOT / cut.file).parents[1] / "schema.sql"
    kept = " ".join(schema.read_text(encoding="utf-8").split())
    for line in cut.old.splitlines():
        assert " ".join(line.split()).rstrip(",;") in kept


def test_mutants_are_told_apart() -> None:
    """Names are unique, and there are as many as were promised."""
    assert max(Counter(mutant.name for mutant in MUTANTS).values()) == 1
    assert len(MUTANTS) == sum(map(len, GROUPS.values())) >= ENOUGH


def test_the_page_shows_them_all() -> None:
    """docs/safety.md is as `make mutation` would write it."""
    assert PAGE.read_text(encoding="utf-8") == page_with_table()


TRACEBACK = """\
    def test():
        if one() == 2:
            assert ask() == "sold out"
>       assert one() == 2
E       assert 1 == 2
E        +  where 1 = one()
"""
FAILED = Result("a.py::test", what_failed(TRACEBACK), broken=False)
PASSED = FAILED._replace(failure=None)


@pytest.mark.parametrize(
    ("exit_code", "results", "outcome"),
    [
        (1, [PASSED, FAILED], Outcome.CAUGHT),
        (0, [PASSED], Outcome.SURVIVED),
        (1, [FAILED._replace(test="b.py::test"), PASSED], Outcome.SURVIVED),
        (1, [FAILED._replace(failure="Timeout")], Outcome.UNCLEAR),
        (1, [PASSED._replace(broken=True)], Outcome.NOT_RUN),
        (1, [], Outcome.NOT_RUN),
        (2, [FAILED], Outcome.NOT_RUN),
        (None, [FAILED], Outcome.NOT_RUN),
    ],
)
def test_only_the_named_failure_catches(
    exit_code: int | None, results: list[Result], outcome: Outcome
) -> None:
    """Not another test, another reason, a broken fixture, nothing at all, or a run stopped."""
    assert judge(exit_code, results, [Catch("a.py::test", "1 == 2")]) is outcome


@pytest.mark.parametrize(
    ("says", "at", "outcome"),
    [
        ("assert 1 == 2", "", Outcome.CAUGHT),
        ("assert 1 == 2", "assert one() == 2", Outcome.CAUGHT),
        ("assert 1 == 2", "if one() == 2", Outcome.UNCLEAR),
        ("sold out", "", Outcome.UNCLEAR),
        ("one() == 2", "", Outcome.UNCLEAR),
        ("one() == 2", "assert one() == 2", Outcome.UNCLEAR),
    ],
)
def test_only_what_failed_is_looked_at(says: str, at: str, outcome: Outcome) -> None:
    """What stands in the source of the test, which is printed with it, says nothing."""
    assert judge(1, [FAILED], [Catch("a.py::test", says, at)]) is outcome


def test_what_fails_in_a_group_is_looked_at() -> None:
    """Python prints groups of exceptions in a way of its own."""
    group = """\
  + Exception Group Traceback (most recent call last):
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    |   File "a.py", line 183, in test
    |     await ask()
    | Unavailable: too much to do
    +------------------------------------
Captured log
"""
    assert what_failed(group).splitlines() == [
        "  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)",
        '    |   File "a.py", line 183, in test',
        "    |     await ask()",
        "    | Unavailable: too much to do",
    ]
