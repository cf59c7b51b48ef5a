"""Who has had an answer: complete as of each reading, however late transactions end."""

import asyncpg
from support.service_databases import MakeDatabase
from zikao_kit.answered_actors import AnsweredActors
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

SCHEMA, METHOD = "enrollment", "Submit"
STORE = """INSERT INTO enrollment.idempotency (actor, request_id, method, body_sha256, response)
VALUES ($1, gen_random_uuid(), $2, '', '')"""


async def reading(db: Database, answered: AnsweredActors) -> None:
    """Look and read, as whoever keeps it does."""
    await answered.look()
    async with db.transaction(isolation="REPEATABLE READ", read_only=True) as tx:
        await answered.read(tx)


async def test_an_answer_that_is_committed_late_is_not_lost(make_database: MakeDatabase) -> None:
    """It bears the time of its transaction's begin, before others that were read meanwhile."""
    dsn = await make_database(SCHEMA)
    late, soon = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load("zikao_kit")) as db:
        answered = AnsweredActors(db, SCHEMA, [METHOD])
        await soon.execute(STORE, "before", METHOD)
        await soon.execute(STORE, "of another method", "SavePlan")
        transaction = late.transaction()
        await transaction.start()
        await late.execute(STORE, "late", METHOD)
        await soon.execute(STORE, "soon", METHOD)
        for _ in range(3):
            await reading(db, answered)
        assert [who in answered for who in ("before", "soon", "late")] == [True, True, False]
        assert "of another method" not in answered
        await transaction.commit()
        await reading(db, answered)
        assert "late" in answered
    await late.close()
    await soon.close()


async def test_only_what_is_new_is_read(make_database: MakeDatabase) -> None:
    """An answer that was read is not asked for again, once nothing older can come."""
    dsn = await make_database(SCHEMA)
    connection = await asyncpg.connect(dsn)
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load("zikao_kit")) as db:
        answered = AnsweredActors(db, SCHEMA, [METHOD])
        await connection.execute(STORE, "first", METHOD)
        await reading(db, answered)
        await connection.execute(
            "UPDATE enrollment.idempotency"
            " SET actor = 'unread', created_at = created_at - interval '1 minute'"
        )
        await reading(db, answered)
        assert "first" in answered
        assert "unread" not in answered
    await connection.close()


async def test_who_had_begun_unseen_is_not_lost(make_database: MakeDatabase) -> None:
    """The last look was just between a transaction's beginning and the database's word of it."""
    dsn = await make_database(SCHEMA)
    connection = await asyncpg.connect(dsn)
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load("zikao_kit")) as db:
        answered = AnsweredActors(db, SCHEMA, [METHOD])
        begun = await connection.fetchval("SELECT clock_timestamp()")
        await reading(db, answered)
        await connection.execute(STORE, "unseen", METHOD)
        await connection.execute("UPDATE enrollment.idempotency SET created_at = $1", begun)
        await reading(db, answered)
        assert "unseen" in answered
    await connection.close()
