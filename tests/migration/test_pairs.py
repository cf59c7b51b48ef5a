"""Code before and after a migration has what it asks for while both are there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from support.migration_pairs import Pair, ServiceSql, pairs, sql_at, sql_today, unprepared
from support.released_code import Release, releases
from support.services import SERVICES

PAIRS = pairs()
HERE = Path(__file__).parent
OLD_ALONE, OLD_AFTER_PRE = "old, its own schema", "old, after pre"
NEW_BEFORE_POST, NEW_AFTER_POST = "new, before post", "new, after post"
NONE: dict[str, set[str]] = {
    when: set() for when in (OLD_ALONE, OLD_AFTER_PRE, NEW_BEFORE_POST, NEW_AFTER_POST)
}
# From before the first release and before this test, which found it: a column of the same name in
# two tables until `post` took one away. No release has the code of that commit.
AMISS = {"enrollment 0002/0003": {NEW_BEFORE_POST: {"list_orders"}}}
# Also indented, after WITH, or in a DO; comments and triggers ("BEFORE UPDATE OR …") move none.
_ROWS = re.compile(
    r"^[^\S\n]*(?:[^-\n]*\)\s*)?(UPDATE(?!\s+OR\b)|DELETE\s+FROM|INSERT\s+INTO|MERGE\s+INTO|DO\s*(\$|'|LANGUAGE))",
    re.IGNORECASE | re.MULTILINE,
)


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """An empty database, looked at as services do: without a search path."""
    db = await asyncpg.connect(empty_database, server_settings={"search_path": ""})
    try:
        yield db
    finally:
        await db.close()


async def apply_all(db: asyncpg.Connection, sql: ServiceSql) -> None:
    """All of a version's migrations in the order of their numbers."""
    for _, (_, text) in sorted(sql.migrations.items()):
        await db.execute(text)


async def go_through(
    db: asyncpg.Connection, old: ServiceSql, new: ServiceSql
) -> dict[str, dict[str, str]]:
    """From an old version's schema to a new one's; which queries could not be prepared when."""
    await apply_all(db, old)
    # Each service has some of the kit's tables.
    usable = old.kit_queries.keys() - await unprepared(db, old.kit_queries)
    olds = {**old.queries, **{name: old.kit_queries[name] for name in usable}}
    assert len(old.queries) > 20
    seen = {OLD_ALONE: await unprepared(db, old.queries)}
    for _, text in new.missing_from(old, "pre"):
        await db.execute(text)
    seen[OLD_AFTER_PRE] = await unprepared(db, olds)
    seen[NEW_BEFORE_POST] = await unprepared(db, new.queries)
    kit_before = await unprepared(db, new.kit_queries)
    for _, text in new.missing_from(old, "post"):
        await db.execute(text)
    seen[NEW_AFTER_POST] = await unprepared(db, new.queries)
    kit_after = await unprepared(db, new.kit_queries)
    seen[NEW_BEFORE_POST] |= {
        name: kit_before[name] for name in kit_before.keys() - kit_after.keys()
    }
    seen[NEW_AFTER_POST] |= {name: kit_after[name] for name in kit_after.keys() - kit_before.keys()}
    return seen


@pytest.mark.parametrize("pair", PAIRS, ids=str)
async def test_a_pairs_queries_prepare(db: asyncpg.Connection, pair: Pair) -> None:
    """Those of the commit before, on the schema after `pre`; those of its own, before `post`."""
    old, new = sql_at(pair.before, pair.service), sql_at(pair.since, pair.service)
    assert {pair.pre.number, pair.post.number} & old.migrations.keys() == set()
    assert {pair.pre.number, pair.post.number} <= new.migrations.keys()
    seen = await go_through(db, old, new)
    assert {when: set(wrong) for when, wrong in seen.items()} == NONE | AMISS.get(str(pair), {})


@pytest.mark.parametrize("release", releases(), ids=lambda each: each.version)
@pytest.mark.parametrize("service", SERVICES)
async def test_a_releases_queries_prepare(
    db: asyncpg.Connection, service: str, release: Release
) -> None:
    """Those of every release, on its schema with all `pre` since; today's, before any `post`."""
    seen = await go_through(db, sql_at(release.commit, service), sql_today(service))
    assert {when: set(wrong) for when, wrong in seen.items()} == NONE, seen


@pytest.mark.parametrize("release", releases(), ids=lambda each: each.version)
@pytest.mark.parametrize("service", SERVICES)
def test_released_migrations_stay(service: str, release: Release) -> None:
    """No file that a release has applied somewhere is changed, renamed or taken away."""
    old, new = sql_at(release.commit, service).migrations, sql_today(service).migrations
    assert {number: new.get(number) for number in old} == dict(old)


async def test_a_pre_that_takes_something_is_seen(db: asyncpg.Connection) -> None:
    """Negative control: the old version's queries that need it are named, and no others."""
    old = sql_at(releases()[0].commit, "enrollment")
    planted = "ALTER TABLE enrollment.plan RENAME COLUMN county_codes TO counties"
    number = max(old.migrations) + 1
    new = ServiceSql({**old.migrations, number: ("pre", planted)}, old.queries, {})
    seen = await go_through(db, old, new)
    needing = {name for name, text in old.queries.items() if re.search(r"\.plan\b", text)}
    wrong = seen[OLD_AFTER_PRE]
    assert wrong
    assert wrong.keys() <= needing


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if _ROWS.search(pair.post.sql)], ids=str)
def test_what_the_old_code_wrote_is_tried(pair: Pair) -> None:
    """A `post` that moves rows has a test that lets the old code write until then."""
    tests = [
        text
        for text in (file.read_text(encoding="utf-8") for file in HERE.glob("test_*_migrated.py"))
        if f"zikao_{pair.service}" in text
    ]
    numbers = {f"{pair.pre.number:04}", f"{pair.post.number:04}"}
    assert [text for text in tests if numbers <= set(re.findall(r'"(\d{4})[_"]', text))]
