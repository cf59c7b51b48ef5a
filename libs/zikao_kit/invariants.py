"""Queries that return where a rule does not hold, made into queries that count it.

A rule's query returns one text a place: ids, nothing personal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from zikao_kit.queries import Queries

OFFENDERS_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """How often a rule does not hold, and some of the places."""

    violations: int
    offenders: tuple[str, ...]


def counting(queries: Queries, names: Iterable[str]) -> Queries:
    """Return the rules `names` as queries of one row: `violations` and some `offenders`."""
    texts = {
        name: "SELECT count(*) AS violations,"  # noqa: S608 - the texts are our own files'
        f" coalesce((array_agg(wrong.offender))[1:{OFFENDERS_NAMED}], '{{}}') AS offenders"
        f" FROM (\n{queries[name]}\n) AS wrong (offender)"
        for name in names
    }
    return Queries(queries.package, texts)
