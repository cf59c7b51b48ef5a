"""Named SQL from files."""

from __future__ import annotations

import pytest
from zikao_kit.queries import Queries


def test_statements_are_found_by_name() -> None:
    """Each statement after a name line is had by that name, without the line."""
    queries = Queries.parse(["-- notes\n-- name: one\nSELECT 1;\n-- name: two\nSELECT 2;\n"])
    assert dict(queries) == {"one": "SELECT 1;", "two": "SELECT 2;"}


def test_a_name_is_given_once() -> None:
    """Two statements of one name are refused, also across files."""
    with pytest.raises(ValueError, match="two queries are named one"):
        Queries.parse(["-- name: one\nSELECT 1", "-- name: one\nSELECT 2"])


def test_sql_without_a_name_is_refused() -> None:
    """A statement that nobody could call is a mistake."""
    with pytest.raises(ValueError, match="before the first"):
        Queries.parse(["SELECT 1;\n-- name: two\nSELECT 2"])
