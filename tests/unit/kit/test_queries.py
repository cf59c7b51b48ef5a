"""Named SQL from the files of a package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from zikao_kit.queries import Queries, QueriesError, kit_queries, schema_of

Load = Callable[..., Queries]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Make a package with the given query files, and load it."""

    def loaded(**files: str) -> Queries:
        package = f"queries_of_{tmp_path.name}".replace("-", "_")
        directory = tmp_path / package / "sql" / "queries"
        directory.mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
        for name, text in files.items():
            (directory / f"{name}.sql").write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path))
        return Queries.load(package)

    return loaded


def test_statements_are_found_by_name(load: Load) -> None:
    """Each is had by its name, which stays in its text; a comment before belongs to the next."""
    queries = load(a="-- notes\n-- name: one\nSELECT 1;\n\n-- of two\n-- name: two\nSELECT 2;\n")
    assert queries.names() == ["one", "two"]
    assert queries["one"] == "-- name: one\nSELECT 1"


def test_a_missing_name_names_the_package(load: Load) -> None:
    """A query that is not there is a KeyError that says where it was looked for."""
    with pytest.raises(KeyError, match=r"queries_of_.* has no query named three"):
        load(a="-- name: one\nSELECT 1")["three"]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"a": "-- name: one\nSELECT 1", "b": "-- name: one\nSELECT 2"}, "there twice"),
        ({"a": "SELECT 1;\n-- name: two\nSELECT 2"}, "before the first"),
        ({"a": "-- name: one\n-- only words\n"}, "is empty"),
        ({"a": "-- name: One\nSELECT 1"}, "not a name"),
    ],
)
def test_unclear_files_are_refused(load: Load, files: dict[str, str], problem: str) -> None:
    """A name twice, SQL that nobody could call, and an empty query are mistakes."""
    with pytest.raises(QueriesError, match=problem):
        load(**files)


def test_the_kits_queries_are_bound_to_one_schema() -> None:
    """They name the service's own tables; what is no schema's name is refused."""
    assert "enrollment.outbox" in kit_queries(schema_of("zikao_enrollment"))["append_events"]
    with pytest.raises(QueriesError, match="schema"):
        kit_queries("x; DROP TABLE y")
