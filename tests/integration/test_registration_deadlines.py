"""What a look at the deadlines costs while nothing ends: nothing."""

import re
from datetime import timedelta
from pathlib import Path

import asyncpg
from support.registration_invariants import violations
from support.registration_people import JINJIANG, SESSION_CODE, apply_session
from support.registration_seeding import seed_pending
from support.registration_server import NOON, registration_server
from support.service_databases import MakeDatabase
from zikao_kit.crypto import KeyRing
from zikao_kit.queries import Queries
from zikao_registration.domain.states import KEPT_BY_MATERIAL
from zikao_registration.names import PACKAGE

WITHOUT, LIMIT = 3, 1000


async def test_what_has_material_is_passed_over_unread(
    make_database: MakeDatabase, tmp_path: Path
) -> None:
    """Of a county's waiting applications only those that expire are read, at every look.

    All others wait for their office for weeks after the deadline, by the ten thousand.
    """
    dsn = await make_database("registration")
    async with registration_server(dsn, tmp_path) as server:
        await apply_session(server)
        keys = KeyRing.from_file(tmp_path / "keys.yaml")
        ids = await seed_pending(
            dsn,
            keys,
            300,
            session_code=SESSION_CODE,
            county_code=JINJIANG,
            submitted_at=NOON - timedelta(hours=2),
        )
        await server.rows(
            "UPDATE registration.candidate SET has_material = true WHERE candidate_id <> ALL ($1)",
            ids[:WITHOUT],
        )
        # That there is none, the operator would be told.
        assert await violations(server) == {"registration_material_is_noted": len(ids) - WITHOUT}
    connection = await asyncpg.connect(dsn)
    await connection.execute("VACUUM ANALYZE registration.candidate")
    # A few hundred rows are sooner read than looked up.
    await connection.execute("SET enable_seqscan = off")
    rows = await connection.fetch(
        f"EXPLAIN (ANALYZE, COSTS OFF) {Queries.load(PACKAGE)['lock_expired']}",
        SESSION_CODE,
        ["draft"],
        list(KEPT_BY_MATERIAL),
        LIMIT,
    )
    await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Removed" not in plan, plan
    assert max(int(found) for found in re.findall(r"actual .*?rows=(\d+)", plan)) == WITHOUT, plan
