"""Where rows are deleted, whatever may refer to them is found by an index."""

import re

import asyncpg
import pytest
from support.schemas import SERVICES
from support.service_databases import MakeDatabase, package_of
from zikao_kit.queries import Queries

# A partial index serves where it leaves out what refers to nothing.
UNINDEXED = """
SELECT fk.conrelid::regclass::text || ' ' || fk.conname
FROM pg_catalog.pg_constraint AS fk
WHERE fk.contype = 'f' AND fk.confrelid = ANY ($1::text[]::regclass[]) AND NOT EXISTS (
    SELECT 1
    FROM pg_catalog.pg_index AS held
    WHERE held.indrelid = fk.conrelid
        AND (held.indkey::smallint[])[0:cardinality(fk.conkey) - 1] @> fk.conkey
        AND (
            held.indpred IS NULL
            OR pg_catalog.pg_get_expr(held.indpred, held.indrelid) ~ '^\\(\\w+ IS NOT NULL\\)$'
        )
)
"""


def deleted_from(service: str) -> list[str]:
    """Tables from which some query of the service deletes rows."""
    queries = Queries.load(package_of(service))
    found = [re.findall(r"DELETE FROM (\w+\.\w+)", queries[name]) for name in queries.names()]
    return sorted({table for tables in found for table in tables})


@pytest.mark.parametrize("service", [each for each in SERVICES if deleted_from(each)])
async def test_no_deletion_scans_what_may_refer_to_it(
    make_database: MakeDatabase, service: str
) -> None:
    """Without such an index each deleted row costs a scan of a whole table."""
    connection = await asyncpg.connect(await make_database(service))
    rows = await connection.fetch(UNINDEXED, deleted_from(service))
    await connection.close()
    assert [row[0] for row in rows] == []
