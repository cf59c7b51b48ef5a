"""The migrations of a service, as files: `sql/migrations/NNNN_<pre|post>_<what>.sql`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Literal, cast

Phase = Literal["pre", "post"]
_FILE_NAME = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """The files, or what the database has of them, do not add up; nothing was changed."""


@dataclass(frozen=True)
class Migration:
    """One file. `pre` runs before the new code is rolled out, `post` after."""

    number: int
    phase: Phase
    name: str
    sql: str
    sha256: str

    def __str__(self) -> str:
        """Return the file's name without its ending."""
        return f"{self.number:04}_{self.phase}_{self.name}"


def load_migrations(package: str) -> list[Migration]:
    """Return the migrations of a package by number; raises MigrationError for unclear names.

    A number may be missing: changes are made side by side and land in any order.
    """
    directory = resources.files(package) / "sql" / "migrations"
    if not directory.is_dir():
        raise MigrationError(f"{package} has no sql/migrations")
    files = (file for file in directory.iterdir() if file.name.endswith(".sql"))
    migrations = sorted((_read(file) for file in files), key=lambda migration: migration.number)
    numbers = [migration.number for migration in migrations]
    if len(set(numbers)) != len(numbers):
        raise MigrationError(f"{package}: migrations are not numbered once each: {numbers}")
    return migrations


def load_schema(package: str) -> str:
    """Return `sql/schema.sql`: what all migrations together make."""
    return (resources.files(package) / "sql" / "schema.sql").read_text(encoding="utf-8")


def _read(file: resources.abc.Traversable) -> Migration:
    match = _FILE_NAME.fullmatch(file.name)
    if match is None:
        raise MigrationError(f"{file.name}: expected NNNN_<pre|post>_<what>.sql")
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    phase = cast(Phase, match[2])
    return Migration(int(match[1]), phase, match[3], content.decode(), digest)
