"""Checks by SQL what must hold (DOMAIN sections 3 to 5), and says how often it does not.

The rules are the queries of `sql/queries`: those of invariants.sql hold at every moment, those
of settled.sql once everything has come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import asyncpg
from zikao_kit.queries import Queries

PACKAGE = "zikao_ctl"
# Those that ask for the time.
_AS_OF = frozenset({"enrollment_no_hold_outlives_its_deadline"})


async def count_violations(admin_dsn: str, now: datetime) -> Mapping[str, int]:
    """Violations by invariant, all in one snapshot; `now` by the clock of the installation.

    `admin_dsn` names a role that may read the schemas of all three services.
    """
    queries = Queries.load(PACKAGE)
    connection = await asyncpg.connect(admin_dsn)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {
                name: await connection.fetchval(queries[name], *((now,) if name in _AS_OF else ()))
                for name in queries.names()
            }
    finally:
        await connection.close()
