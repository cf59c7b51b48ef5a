"""Every reason that a service alone may refuse with is refused with in some test of it."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest
from support.contracts import reason_enums, reasons_in

TESTS = Path(__file__).parents[1]
OWN = [
    (enum.file.package.split(".")[1], reason)
    for enum in reason_enums()
    if not enum.file.package.startswith("zikao.options.")
    for reason in sorted(reasons_in(enum))
]


@cache
def texts_asserted(service: str) -> frozenset[str]:
    """What the tests of a service compare with what was answered."""
    folders = f"integration/test_{service}_*.py", f"unit/{service}/*.py", "e2e/*.py"
    files = [file for folder in folders for file in TESTS.glob(folder)]
    return frozenset(
        node.value
        for file in files
        for compared in _comparisons(ast.parse(file.read_text()))
        for node in ast.walk(compared)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _comparisons(module: ast.Module) -> list[ast.AST]:
    """Asserts, what `pytest.raises` matches, and the tables of parametrized tests."""
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.keyword) and node.arg == "match")
        or (isinstance(node, ast.Call) and ast.unparse(node.func).endswith("parametrize"))
    ]


@pytest.mark.parametrize(("service", "reason"), OWN)
def test_every_reason_is_asserted(service: str, reason: str) -> None:
    """Somewhere a test says that this, and nothing else, is what is answered."""
    assert any(reason in text for text in texts_asserted(service))
