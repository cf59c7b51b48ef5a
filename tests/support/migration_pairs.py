"""Migrations as this repository's history has them: who introduced them, and the code around."""

from __future__ import annotations

import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg
from support.released_code import ROOT, git
from support.services import SERVICES
from zikao_kit.migration_files import Migration, load_migrations

_NAME = re.compile(r"^-- name: *(\S+) *$", re.MULTILINE)
_FILE = re.compile(r"(\d{4})_(pre|post)_\w+\.sql")


@dataclass(frozen=True)
class ServiceSql:
    """Of a service at a commit: migrations by number, and named queries with the kit's."""

    migrations: Mapping[int, tuple[str, str]]  # phase, text
    queries: Mapping[str, str]
    kit_queries: Mapping[str, str]

    def missing_from(self, other: ServiceSql, phase: str) -> Sequence[tuple[int, str]]:
        """Migrations of a phase that the other has not, in their order."""
        return [
            (number, text)
            for number, (of, text) in sorted(self.migrations.items())
            if of == phase and number not in other.migrations
        ]


@dataclass(frozen=True)
class Pair:
    """A `post`, the `pre` before it, the commit before both and the one that had both first.

    `since` is empty while the pair is in no commit yet: then it is of this working copy.
    """

    service: str
    pre: Migration
    post: Migration
    before: str
    since: str

    def __str__(self) -> str:
        """Its name in the list of tests."""
        return f"{self.service} {self.pre.number:04}/{self.post.number:04}"


def pairs() -> list[Pair]:
    """Every `post` there is, with its `pre`."""
    return [
        _pair(service, [m for m in migrations if m.phase == "pre" and m.number < post.number], post)
        for service in SERVICES
        for migrations in [load_migrations(f"zikao_{service}")]
        for post in migrations
        if post.phase == "post"
    ]


def sql_at(commit: str, service: str) -> ServiceSql:
    """The SQL of a service at a commit; none: as it is here. Raises CodeNotThereError."""
    if not commit:
        return sql_today(service)
    places = (f"services/{service}/zikao_{service}/sql", "libs/zikao_kit/sql")
    files = {}
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, *places))) as archive:
        for member in archive:
            if content := archive.extractfile(member) if member.isfile() else None:
                files[member.name] = content.read().decode()
    return _service_sql(service, files)


def sql_today(service: str) -> ServiceSql:
    """The SQL of a service as it is here."""
    folders = (f"services/{service}/zikao_{service}/sql", "libs/zikao_kit/sql")
    found = (file for folder in folders for file in (ROOT / folder).rglob("*.sql"))
    files = {str(file.relative_to(ROOT)): file.read_text(encoding="utf-8") for file in found}
    return _service_sql(service, files)


async def unprepared(connection: asyncpg.Connection, queries: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with those queries that cannot be prepared on the schema as it is."""
    wrong = {}
    for name, text in queries.items():
        try:
            await connection.prepare(text)
        except asyncpg.PostgresError as error:
            wrong[name] = str(error)
    return wrong


def _pair(service: str, before: Sequence[Migration], post: Migration) -> Pair:
    pre = before[-1]
    brought = _introduced(service, pre)
    before_it = f"{brought}^" if brought else "HEAD"
    return Pair(service, pre, post, before_it, _introduced(service, post))


def _introduced(service: str, migration: Migration) -> str:
    """The commit that brought a file under this name into the history; empty when none has yet."""
    path = f"services/{service}/zikao_{service}/sql/migrations/{migration}.sql"
    log = git("log", "--diff-filter=AR", "--no-renames", "--format=%H", "--", path).decode().split()
    return log[-1] if log else ""


def _service_sql(service: str, files: Mapping[str, str]) -> ServiceSql:
    own = {name: text for name, text in files.items() if name.startswith("services/")}
    migrations = {
        int(match[1]): (match[2], text)
        for name, text in own.items()
        if (match := _FILE.fullmatch(name.rpartition("/")[2])) and "/migrations/" in name
    }
    kit = {name: text for name, text in files.items() if name not in own}
    texts = _named(kit).items()
    kit_queries = {name: text.replace("{schema}", service) for name, text in texts}
    return ServiceSql(migrations, _named(own), kit_queries)


def _named(files: Mapping[str, str]) -> dict[str, str]:
    queries: dict[str, str] = {}
    for name, text in files.items():
        if "/queries/" in name:
            _, *parts = _NAME.split(text)
            queries |= dict(zip(parts[::2], parts[1::2], strict=True))
    return queries
