"""Named SQL: statements live in files, code names them.

A file `sql/queries/<subject>.sql` of a service holds statements, each after a
line `-- name: <name>`. Names are unique in the service.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib import resources

_NAME = re.compile(r"^--\s*name:\s*(\w+)\s*$", re.MULTILINE)


class Queries(Mapping[str, str]):
    """The statements of one service by name."""

    def __init__(self, statements: Mapping[str, str]) -> None:
        self._statements = dict(statements)

    @classmethod
    def load(cls, package: str) -> Queries:
        """Read every `sql/queries/*.sql` of a package; ValueError for a name given twice."""
        folder = resources.files(package) / "sql" / "queries"
        files = sorted((f for f in folder.iterdir() if f.name.endswith(".sql")), key=str)
        return cls.parse(file.read_text(encoding="utf-8") for file in files)

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Queries:
        """Read statements from texts; ValueError for SQL without a name or a name twice."""
        statements: dict[str, str] = {}
        for text in texts:
            before, *parts = _NAME.split(text)
            if _without_comments(before):
                raise ValueError("SQL before the first `-- name:` line")
            for name, sql in zip(parts[::2], parts[1::2], strict=True):
                if name in statements:
                    raise ValueError(f"two queries are named {name}")
                statements[name] = sql.strip()
        return cls(statements)

    def __getitem__(self, name: str) -> str:
        """Return the statement; KeyError names what is missing."""
        return self._statements[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names, in the order of the files."""
        return iter(self._statements)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._statements)


def _without_comments(sql: str) -> str:
    return re.sub(r"--.*", "", sql).strip()
