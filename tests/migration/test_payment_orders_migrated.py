"""Orders and money from before attempts to pay had rows of their own."""

from datetime import UTC, datetime
from importlib import resources
from uuid import UUID

import asyncpg

NOW = datetime(2022, 2, 28, 4, tzinfo=UTC)
PAYING, HELD, PAID = UUID(int=1), UUID(int=2), UUID(int=3)
NOBODYS = UUID(int=9)


def migration(name: str) -> str:
    """The text of one of enrollment's migrations."""
    folder = resources.files("zikao_enrollment") / "sql" / "migrations"
    return (folder / f"{name}.sql").read_text(encoding="utf-8")


async def pay(db: asyncpg.Connection, payment_id: str, order_id: UUID, flag: str | None) -> None:
    """Store a payment as the code before did."""
    await db.execute(
        "INSERT INTO enrollment.payment"
        " (payment_id, order_id, amount_fen, paid_at, received_at, disposition, flag)"
        " VALUES ($1, $2, 3500, $3, $3, $4, $5)",
        payment_id,
        order_id,
        NOW,
        "refund" if flag else "applied",
        flag,
    )


async def test_old_orders_are_attempts_under_their_own_ids(empty_database: str) -> None:
    """What the platform knows by an order's id stays payable by it, and money finds its order.

    Also money that the old code takes until the second part of the migration.
    """
    db = await asyncpg.connect(empty_database)
    try:
        await db.execute(migration("0001_pre_create_schema"))
        await db.execute("INSERT INTO enrollment.session VALUES ('22.1', 1, '{}', $1)", NOW)
        for order_id, state in ((PAYING, "paying"), (HELD, "held"), (PAID, "confirmed")):
            await db.execute(
                "INSERT INTO enrollment.enrollment_order VALUES"
                " ($1, '22.1', $1, '510104', '{1}', '{00001}', $2, 3500, $3, 'code', $3)",
                order_id,
                state,
                NOW,
            )
        await db.executemany(
            "INSERT INTO enrollment.order_event (order_id, to_state, action, actor, at)"
            " VALUES ($1, 'paying', 'open_payment', 'x', $2)",
            [(PAYING, NOW), (PAID, NOW)],
        )
        await pay(db, "before", PAID, None)
        await db.execute(migration("0002_pre_payment_orders"))
        await pay(db, "between", NOBODYS, "unknown_order")
        await db.execute(migration("0003_post_payment_orders"))
        attempts = await db.fetch(
            "SELECT payment_order_id, order_id, amount_fen, payment_code, state"
            " FROM enrollment.payment_order ORDER BY order_id"
        )
        assert [tuple(row) for row in attempts] == [
            (PAYING, PAYING, 3500, "code", "open"),
            (PAID, PAID, 3500, "code", "closed"),
        ]
        money = await db.fetch(
            "SELECT payment_id, payment_order_id, order_id FROM enrollment.payment ORDER BY 1"
        )
        assert [tuple(row) for row in money] == [
            ("before", PAID, PAID),
            ("between", NOBODYS, None),
        ]
    finally:
        await db.close()
