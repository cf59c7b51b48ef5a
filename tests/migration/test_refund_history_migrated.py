"""Refunds from before each of their steps was a line."""

import asyncio
from datetime import UTC, datetime
from importlib import resources
from uuid import UUID

import asyncpg
from zikao_kit.queries import Queries

NOW = datetime(2022, 2, 28, 4, tzinfo=UTC)
REQUESTED, REFUSED, REFUNDED, BETWEEN = (UUID(int=number) for number in range(1, 5))
VIOLATIONS = Queries.load("zikao_enrollment")["money_every_refund_has_its_history"]


async def migrate(db: asyncpg.Connection, upto: str, behind: str = "") -> None:
    """Run enrollment's migrations of these numbers."""
    folder = resources.files("zikao_enrollment") / "sql" / "migrations"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if behind < file.name[:4] <= upto:
            await db.execute(file.read_text(encoding="utf-8"))


async def owe(
    db: asyncpg.Connection, refund_id: UUID, refunded_at: datetime | None, refusal: str | None
) -> None:
    """Store a refund as the code before did."""
    await db.execute(
        "INSERT INTO enrollment.payment (payment_id, payment_order_id, amount_fen, paid_at,"
        " received_at, disposition, flag) VALUES ($1, $2, 5, $3, $3, 'refund', 'unknown_order')",
        str(refund_id),
        refund_id,
        NOW,
    )
    await db.execute(
        "INSERT INTO enrollment.refund (refund_id, payment_id, amount_fen, requested_at,"
        " next_attempt_at, refunded_at, refusal) VALUES ($1, $2, 5, $3, $3, $4, $5)",
        refund_id,
        str(refund_id),
        NOW,
        refunded_at,
        refusal,
    )


async def test_old_refunds_have_a_history(empty_database: str) -> None:
    """Also what the old code does until the second part of the migration."""
    db = await asyncpg.connect(empty_database)
    try:
        await migrate(db, "0015")
        await owe(db, REQUESTED, None, None)
        await owe(db, REFUSED, None, "NOT_FOUND")
        await owe(db, REFUNDED, NOW, None)
        await migrate(db, "0016", behind="0015")
        assert await db.fetch(VIOLATIONS) == []
        await owe(db, BETWEEN, None, "NOT_FOUND")
        await db.execute("UPDATE enrollment.refund SET refunded_at = $1, refusal = NULL", NOW)
        await migrate(db, "0017", behind="0016")
        assert await db.fetch(VIOLATIONS) == []
        rows = await db.fetch(
            "SELECT refund_id, array_agg(action ORDER BY event_id) FROM enrollment.refund_event"
            " GROUP BY refund_id"
        )
        assert {row[0]: row[1] for row in rows} == {
            REQUESTED: ["request", "refund"],
            REFUSED: ["request", "refuse", "refund"],
            REFUNDED: ["request", "refund"],
            BETWEEN: ["request", "refund"],
        }
    finally:
        await db.close()


async def test_what_is_under_way_is_waited_for(empty_database: str) -> None:
    """The old code's last step, not committed yet as the second part begins, has its line too."""
    db, old = [await asyncpg.connect(empty_database) for _ in range(2)]
    try:
        await migrate(db, "0016")
        await owe(db, REQUESTED, None, None)
        step = old.transaction()
        await step.start()
        await old.execute("UPDATE enrollment.refund SET refunded_at = $1", NOW)
        migrating = asyncio.create_task(migrate(db, "0017", behind="0016"))
        waits = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
        while not migrating.done() and not await old.fetchval(waits):
            await asyncio.sleep(0.01)
        await step.commit()
        await migrating
        assert await db.fetch(VIOLATIONS) == []
    finally:
        await db.close()
        await old.close()
