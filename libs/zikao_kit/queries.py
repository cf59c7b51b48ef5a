"""Named SQL: `-- name: insert_account` begins a query in a package's `sql/queries/*.sql`.

Everything is schema-qualified, because connections have an empty search path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources

_NAME_LINE = re.compile(r"^-- name: *(\S*)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SCHEMA = re.compile(r"[a-z][a-z0-9_]{0,62}")
_KIT = "zikao_kit"


class QueriesError(ValueError):
    """A file of named queries cannot be understood."""


class Queries:
    """Queries by name. The name stays in the text, so that `pg_stat_activity` shows it."""

    def __init__(self, package: str, texts: Mapping[str, str]) -> None:
        self.package = package
        self._texts = dict(texts)

    @classmethod
    def load(cls, package: str) -> Queries:
        """Read `sql/queries/*.sql` of an importable package.

        Raises QueriesError for a name given twice and for SQL without a name.
        """
        texts: dict[str, str] = {}
        for file in _sql_files(package):
            for name, text in _parse(file.read_text(encoding="utf-8"), file.name):
                if name in texts:
                    raise QueriesError(f"{package}: query {name} is there twice")
                texts[name] = text
        return cls(package, texts)

    def __getitem__(self, name: str) -> str:
        """Return the SQL of a query; KeyError names the package when there is none."""
        try:
            return self._texts[name]
        except KeyError:
            raise KeyError(f"{self.package} has no query named {name}") from None

    def names(self) -> list[str]:
        """Return all names, sorted."""
        return sorted(self._texts)


@cache
def kit_queries(schema: str) -> Queries:
    """Return the kit's own queries (idempotency, outbox, feed cursor) on a service's tables."""
    if not _SCHEMA.fullmatch(schema):
        raise QueriesError(f"not the name of a schema: {schema!r}")
    kit = Queries.load(_KIT)
    return Queries(_KIT, {name: kit[name].replace("{schema}", schema) for name in kit.names()})


def schema_of(package: str) -> str:
    """Return the schema that a service's package owns: `zikao_enrollment` has `enrollment`."""
    return package.rpartition(".")[2].removeprefix("zikao_")


def _sql_files(package: str) -> list[resources.abc.Traversable]:
    directory = resources.files(package) / "sql" / "queries"
    if not directory.is_dir():
        return []
    files = (file for file in directory.iterdir() if file.name.endswith(".sql"))
    return sorted(files, key=lambda file: file.name)


def _parse(text: str, file: str) -> Iterable[tuple[str, str]]:
    before, *parts = _NAME_LINE.split(text)
    if _without_comments_at_end(before):
        raise QueriesError(f"{file}: SQL before the first name")
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if not _NAME.fullmatch(name):
            raise QueriesError(f"{file}: not a name for a query: {name!r}")
        sql = _without_comments_at_end(body).rstrip(";").strip()
        if not sql:
            raise QueriesError(f"{file}: query {name} is empty")
        yield name, f"-- name: {name}\n{sql}"


def _without_comments_at_end(text: str) -> str:
    # They stand before the next name and speak of the next query.
    lines = text.rstrip().splitlines()
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("--")):
        lines.pop()
    return "\n".join(lines)
