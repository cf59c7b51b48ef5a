"""docs/security.md and docs/asvs.toml, against the standard's numbers, the tests and the code."""

from __future__ import annotations

import ast
import dataclasses
import re
import tomllib
import typing
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from security_page import DATA, PAGE, STATES, page
from zikao_enrollment.config import EnrollmentConfig
from zikao_registration.config import RegistrationConfig
from zikao_registration.domain.passwords import CONTEXT_WORDS
from zikao_tickets.config import TicketsConfig

ROOT = Path(__file__).parents[2]
NUMBERS = ROOT / "tests" / "contract" / "asvs-5.0.0.txt"
TEXT = PAGE.read_text(encoding="utf-8")
REQUIREMENTS = tomllib.loads(DATA.read_text(encoding="utf-8"))
# As the standard counts them.
LEVEL_1, LEVEL_2 = 70, 183
_ROW = re.compile(r"^\| (V[0-9.]+) \| ", re.MULTILINE)


def levels() -> Mapping[str, int]:
    """The level of each number of the standard's levels 1 and 2."""
    lines = NUMBERS.read_text(encoding="utf-8").splitlines()
    return {number: int(level) for number, level in (line.split() for line in lines)}


def names_in(file: Path) -> set[str]:
    """The tests of a file."""
    tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return {n.name for n in tree if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_requirement_is_there_once() -> None:
    """All numbers of levels 1 and 2, in the data and in the table, in the standard's order."""
    assert Counter(levels().values()) == {1: LEVEL_1, 2: LEVEL_2}
    assert list(REQUIREMENTS) == list(levels())
    assert _ROW.findall(TEXT) == list(levels())


def test_every_requirement_says_how_it_stands() -> None:
    """Met by tests, or with the reason why not, in words of our own."""
    for number, each in REQUIREMENTS.items():
        assert each["is"] in STATES, number
        assert each["about"], number
        assert each["how"], number
        assert each["is"] != "met" or each.get("tests"), number
        assert each["is"] != "not applicable" or "tests" not in each, number


def test_every_test_that_is_named_exists() -> None:
    """No proof is made up, and none is named that was moved away."""
    named = {test for each in REQUIREMENTS.values() for test in each.get("tests", [])}
    files = {ROOT / test.partition("::")[0] for test in named}
    there = {f"{f.relative_to(ROOT)}::{n}" for f in files if f.is_file() for n in names_in(f)}
    assert named - there == set()
    assert all(test.partition("::")[2].startswith("test_") for test in named)


def test_the_page_is_what_the_data_say() -> None:
    """Nobody has changed the table, or its counts, by hand; a change of the data would show."""
    assert page(TEXT) == TEXT
    assert f"Of {len(REQUIREMENTS)} requirements: " in TEXT
    counts = Counter(each["is"] for each in REQUIREMENTS.values())
    for state in STATES:
        assert f"{counts[state]} {state}" in TEXT


def test_the_words_are_those_of_the_code() -> None:
    """The page lists what is refused as a password, no more and no less."""
    (said,) = re.findall(r"^\*\*Words of this system\*\*.*: (.*)\.$", TEXT, re.MULTILINE)
    assert tuple(said.split(", ")) == CONTEXT_WORDS


def files_of(config: Any) -> Iterator[str]:
    """The keys of a configuration that name files."""
    hints = typing.get_type_hints(config)
    for field in dataclasses.fields(config):
        kinds = [hints[field.name], *typing.get_args(hints[field.name])]
        section = next((kind for kind in kinds if dataclasses.is_dataclass(kind)), None)
        if section is not None:
            yield from files_of(section)
        elif field.name.endswith("_file"):
            yield field.name


@pytest.mark.parametrize("config", [RegistrationConfig, EnrollmentConfig, TicketsConfig])
def test_every_key_file_is_in_the_inventory(config: Any) -> None:
    """A new file with a key or a secret has a line on the page."""
    inventory = TEXT.partition("## Keys and secrets")[2].partition("\n## ")[0]
    assert [name for name in files_of(config) if f"`{name}`" not in inventory] == []


def test_times_to_renew_are_stated() -> None:
    """Who runs it reads within how many days something is mended, by severity."""
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    days = [int(each) for each in re.findall(r"^\| .*\| (\d+) days", text, re.MULTILINE)]
    assert len(days) == 3
    assert days == sorted(days)


def test_links_lead_somewhere() -> None:
    """Pages and tests that are linked are there."""
    for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", TEXT):
        assert (PAGE.parent / link).exists(), link
