"""Queries and the code that runs them belong together."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest
from zikao_kit.queries import Queries

PACKAGES = ["zikao_kit", "zikao_registration", "zikao_enrollment", "zikao_tickets"]


def texts_in(source: str) -> Iterator[str]:
    """Every text in a module's code as a pattern: what is filled in between may be anything."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.escape(node.value)
        elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
            yield "".join(
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else r"\w+"
                for part in node.values
            )


def unused(names: list[str], sources: list[str]) -> list[str]:
    """Names that no text in the sources gives."""
    texts = {text for source in sources for text in texts_in(source)}
    anything = re.compile("|".join(texts))
    return [name for name in names if not anything.fullmatch(name)]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_query_is_run_by_its_package(package: str) -> None:
    """A query that nobody runs any more goes with its last caller."""
    with resources.as_file(resources.files(package)) as folder:
        sources = [file.read_text(encoding="utf-8") for file in Path(folder).rglob("*.py")]
    assert unused(Queries.load(package).names(), sources) == []


def test_an_unused_query_is_seen() -> None:
    """Negative control: neither a part of a name nor a mention in a comment is a use."""
    source = 'run("load_session")  # delete_session\nrun(f"list_{kind}_records")\nsay(f"{kind}")'
    names = ["load_session", "load", "delete_session", "list_old_records"]
    assert unused(names, [source]) == ["load", "delete_session"]
