"""Every column that may hold blobs is declared for the rotation of its key."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import pytest
import zikao_registration.sealed_columns
import zikao_tickets.sealed_columns
from support.service_databases import MakeDatabase
from zikao_kit.reencryption import SealedColumn

SEALED = {
    "registration": zikao_registration.sealed_columns.SEALED,
    "tickets": zikao_tickets.sealed_columns.SEALED,
    "enrollment": (),
}
# What else is kept in bytes: keyed or plain hashes, public keys, and answers or events that
# the service keeps in clear because nothing personal is in them.
OTHERWISE = ("_index", "sha256", "public_key")
IN_CLEAR = {
    "enrollment": {
        "enrollment.idempotency.response",
        "enrollment.outbox.payload",
        # Random numbers of a waiting room, of which no more hangs than an order in it.
        "enrollment.waiting_room.committed",
        "enrollment.waiting_room.committed_hash",
        "enrollment.waiting_room.fresh",
        "enrollment.waiting_room.pass_key",
        "enrollment.waiting_room.seed",
    },
    "tickets": {
        "tickets.arrangement_plan.plan",
        "tickets.idempotency.response",
        "tickets.outbox.payload",
        "tickets.printed_glyph.png",
        "tickets.supplied_glyph.png",
        "tickets.ticket.glyphs",
    },
    "registration": set[str](),
}


async def columns_of(dsn: str, service: str) -> set[str]:
    """Columns of bytes that are neither hashes nor public."""
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch(
        "SELECT table_schema || '.' || table_name || '.' || column_name AS name "
        "FROM information_schema.columns WHERE table_schema = $1 AND data_type = 'bytea'",
        service,
    )
    await connection.close()
    return {row["name"] for row in rows if not row["name"].endswith(OTHERWISE)}


@pytest.mark.parametrize("service", sorted(SEALED))
async def test_every_column_of_blobs_is_declared(make_database: MakeDatabase, service: str) -> None:
    """A column that nobody declares would be unreadable once its key is retired."""
    declared: Sequence[SealedColumn] = SEALED[service]
    found = await columns_of(await make_database(service), service)
    assert found == {str(column) for column in declared} | IN_CLEAR[service]
