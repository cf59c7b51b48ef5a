"""What a migration has done to tables that were there: read from PostgreSQL's catalogs.

Whatever the SQL looks like, this is what code that knows nothing of it meets afterwards.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

# Of each table and view: what a query of the version before may lean on.
_READ = """
SELECT relation.relname AS name, relation.relkind IN ('r', 'p') AS is_table,
    relation.relfilenode::bigint AS file,
    (SELECT coalesce(jsonb_object_agg(attname, jsonb_build_array(
            format_type(atttypid, atttypmod), attnotnull,
            atthasdef OR attidentity <> '')), '{}')
        FROM pg_catalog.pg_attribute
        WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped) AS columns,
    (SELECT coalesce(jsonb_object_agg(conname, jsonb_build_array(
            pg_catalog.pg_get_constraintdef(pg_constraint.oid),
            (SELECT coalesce(jsonb_agg(attname ORDER BY attnum), '[]') FROM pg_catalog.pg_attribute
                WHERE attrelid = conrelid AND attnum = ANY (conkey)))), '{}')
        FROM pg_catalog.pg_constraint
        WHERE conrelid = relation.oid AND contype <> 'n') AS constraints,
    (SELECT coalesce(jsonb_object_agg(index.relname, pg_catalog.pg_get_indexdef(index.oid)), '{}')
        FROM pg_catalog.pg_index JOIN pg_catalog.pg_class AS index ON index.oid = indexrelid
        WHERE indrelid = relation.oid
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conindid = indexrelid)
    ) AS indexes,
    (SELECT coalesce(jsonb_object_agg(tgname, pg_catalog.pg_get_triggerdef(pg_trigger.oid)), '{}')
        FROM pg_catalog.pg_trigger
        WHERE tgrelid = relation.oid AND NOT tgisinternal) AS triggers
FROM pg_catalog.pg_class AS relation
WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'p', 'v', 'm')
"""
# What the runner sees to: a file runs in one transaction, with a lock timeout.
_OF_THE_RUNNER = re.compile(
    r"\b(CONCURRENTLY|BEGIN(?=\s*;)|COMMIT|ROLLBACK|VACUUM|SET\s+(LOCAL\s+)?lock_timeout)\b",
    re.IGNORECASE,
)
_CHANGES_ROWS = re.compile(
    r"^(?:UPDATE|DELETE\s+FROM|TRUNCATE)\s+\w+\.(\w+)", re.IGNORECASE | re.MULTILINE
)
_QUOTED = re.compile(r"\$(\w*)\$.*?\$\1\$|'(?:[^']|'')*'|--[^\n]*", re.DOTALL)
_ALLOWED = re.compile(r"^-- allowed: (.+?) because (\S.{9,})$", re.MULTILINE)


@dataclass(frozen=True)
class Relation:
    """A table or a view: its file on the disk, columns (type, not null, with default) and more."""

    is_table: bool
    file: int
    columns: Mapping[str, tuple[str, bool, bool]]
    constraints: Mapping[str, tuple[str, Sequence[str]]]
    indexes: Mapping[str, str]
    triggers: Mapping[str, str]


Schema = Mapping[str, Relation]


async def read_schema(connection: asyncpg.Connection, schema: str) -> Schema:
    """Tables and views of a schema by name."""
    rows = await connection.fetch(_READ, schema)
    return {row["name"]: _relation(row) for row in rows}


def _relation(row: asyncpg.Record) -> Relation:
    columns, constraints, indexes, triggers = (json.loads(each) for each in row[3:])
    return Relation(row["is_table"], row["file"], columns, constraints, indexes, triggers)


def findings(before: Schema, after: Schema, sql: str) -> list[str]:
    """What a `pre` has done that is more than adding; in words, sorted."""
    code = _QUOTED.sub("", sql)
    found = {f"{word.upper()} is the runner's" for word, _ in _OF_THE_RUNNER.findall(code)}
    found |= {f"rows of {table} change" for table in _CHANGES_ROWS.findall(code) if table in before}
    for name, old in before.items():
        found.update(_of_relation(name, old, after.get(name)))
    return sorted(found)


def allowed(sql: str) -> set[str]:
    """What a file says of itself that it may do: `-- allowed: FINDING because WHY`."""
    return {what for what, _ in _ALLOWED.findall(sql)}


def _of_relation(name: str, old: Relation, new: Relation | None) -> Iterator[str]:
    if new is None:
        yield f"{name} is gone"
        return
    if old.is_table and not new.is_table:
        yield f"{name} is no table any more"
    elif old.is_table and old.file != new.file:
        yield f"{name} is written anew"
    for column, (kind, required, given) in old.columns.items():
        yield from _of_column(f"{name}.{column}", (kind, required, given), new.columns.get(column))
    for column, (_, required, given) in new.columns.items():
        if column not in old.columns and required and not given:
            yield f"{name}.{column} is new and must be given"
    if old.is_table and new.is_table:
        yield from _of_what_it_has(name, old, new)


def _of_column(
    name: str, old: tuple[str, bool, bool], new: tuple[str, bool, bool] | None
) -> Iterator[str]:
    if new is None:
        yield f"{name} is gone"
        return
    if old[0] != new[0]:
        yield f"{name} has another type"
    if new[1] and not old[1]:
        yield f"{name} must be given now"
    if old[2] and not new[2]:
        yield f"{name} has no default any more"


def _of_what_it_has(name: str, old: Relation, new: Relation) -> Iterator[str]:
    for kind in ("constraint", "index", "trigger"):
        plural = "indexes" if kind == "index" else f"{kind}s"
        had: Mapping[str, Any] = getattr(old, plural)
        has: Mapping[str, Any] = getattr(new, plural)
        for each in had:
            if each not in has:
                yield f"{kind} {name}.{each} is gone"
            elif had[each] != has[each]:
                yield f"{kind} {name}.{each} is another"
        for each in has:
            # A rule of new columns alone binds nobody who does not know them.
            fresh = kind == "constraint" and not set(has[each][1]) & set(old.columns)
            if each not in had and not fresh:
                yield f"{kind} {name}.{each} is new"
