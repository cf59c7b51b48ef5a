"""A `pre` only adds: code that knows nothing of it finds all that it had, as it was."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from support.explained_migrations import EXPLAINED
from support.schema_changes import allowed, findings, read_schema
from support.services import SERVICES
from zikao_kit.migration_files import load_migrations

# Of enrollment, each with what is wrong with it.
WRONG = {
    "ALTER TABLE enrollment.plan DROP COLUMN county_codes": ["plan.county_codes is gone"],
    "ALTER TABLE enrollment.plan RENAME COLUMN county_codes TO counties": [
        "plan.counties is new and must be given",
        "plan.county_codes is gone",
    ],
    "ALTER TABLE enrollment.plan RENAME TO wish": ["plan is gone"],
    "DROP TABLE enrollment.refund_event": ["refund_event is gone"],
    "ALTER TABLE enrollment.seat_ledger ALTER COLUMN held TYPE bigint": [
        "seat_ledger is written anew",
        "seat_ledger.held has another type",
    ],
    "ALTER TABLE enrollment.plan ADD COLUMN colour text NOT NULL": [
        "plan.colour is new and must be given"
    ],
    "ALTER TABLE enrollment.plan ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp()": [
        "plan is written anew"
    ],
    "ALTER TABLE enrollment.payment ALTER COLUMN flag SET NOT NULL": [
        "payment.flag must be given now"
    ],
    "ALTER TABLE enrollment.seat_ledger ALTER COLUMN held DROP DEFAULT": [
        "seat_ledger.held has no default any more"
    ],
    "ALTER TABLE enrollment.refund ADD CHECK (attempts < 9)": [
        "constraint refund.refund_attempts_check is new"
    ],
    "ALTER TABLE enrollment.seat_ledger DROP CONSTRAINT seat_ledger_never_oversold": [
        "constraint seat_ledger.seat_ledger_never_oversold is gone"
    ],
    "CREATE UNIQUE INDEX refund_by_order ON enrollment.refund (payment_id, amount_fen)": [
        "index refund.refund_by_order is new"
    ],
    "DROP INDEX enrollment.payment_odd": ["index payment.payment_odd is gone"],
    "CREATE TRIGGER no BEFORE INSERT ON enrollment.refund FOR EACH STATEMENT"
    " EXECUTE FUNCTION enrollment.refuse_change()": ["trigger refund.no is new"],
    "UPDATE enrollment.payment SET amount_fen = 1": ["rows of payment change"],
    "DELETE FROM enrollment.payment": ["rows of payment change"],
    "SET LOCAL lock_timeout = 0": ["SET LOCAL LOCK_TIMEOUT is the runner's"],
}
RIGHT = (
    "CREATE TABLE enrollment.colour (colour text PRIMARY KEY, at timestamptz NOT NULL);"
    "CREATE INDEX colour_at ON enrollment.colour (at);"
    "INSERT INTO enrollment.colour VALUES ('red', now());"
    "UPDATE enrollment.colour SET at = now()",
    "ALTER TABLE enrollment.plan ADD COLUMN colour text,"
    " ADD COLUMN size integer NOT NULL DEFAULT 0, ADD CHECK (size >= 0),"
    " ADD CHECK (colour <> '' OR size > 0)",
    "ALTER TABLE enrollment.payment ALTER COLUMN received_at DROP NOT NULL",
)


@pytest.fixture
async def db(empty_database: str) -> AsyncIterator[asyncpg.Connection]:
    """An empty database."""
    db = await asyncpg.connect(empty_database)
    try:
        yield db
    finally:
        await db.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_every_pre_only_adds(db: asyncpg.Connection, service: str) -> None:
    """Whatever else one does it says itself, with a reason; the old ones' reasons are written down.

    What is said and not done is as wrong: it would hide the next thing.
    """
    first, *later = load_migrations(f"zikao_{service}")
    await db.execute(first.sql)
    found, said = {}, {}
    for migration in later:
        before = await read_schema(db, service)
        await db.execute(migration.sql)
        if migration.phase == "pre":
            after = await read_schema(db, service)
            found[str(migration)] = findings(before, after, migration.sql)
            explained = EXPLAINED.get(f"{service} {migration.number:04}", ("", ()))[1]
            said[str(migration)] = sorted(allowed(migration.sql) | set(explained))
    assert found == said


def test_only_what_is_there_is_explained() -> None:
    """An explanation of a file that is not there would explain the next one of its number."""
    there = {
        f"{service} {migration.number:04}"
        for service in SERVICES
        for migration in load_migrations(f"zikao_{service}")
    }
    assert EXPLAINED.keys() <= there


async def test_wrong_ones_are_found(db: asyncpg.Connection) -> None:
    """Each planted file is refused for what it does, and for nothing else; and may be allowed."""
    for migration in load_migrations("zikao_enrollment"):
        await db.execute(migration.sql)
    before = await read_schema(db, "enrollment")
    seen = {}
    for sql in (*WRONG, *RIGHT):
        planted = db.transaction()
        await planted.start()
        await db.execute(sql)
        seen[sql] = findings(before, await read_schema(db, "enrollment"), sql)
        await planted.rollback()
    assert seen == {**WRONG, **{sql: [] for sql in RIGHT}}


def test_a_reason_is_needed() -> None:
    """A finding is allowed by its own words and a reason, in a line of its own."""
    text = "-- allowed: plan.colour is gone because nobody ever wrote it.\nDROP …"
    assert allowed(text) == {"plan.colour is gone"}
    assert allowed("-- allowed: plan.colour is gone\n") == set()
    assert allowed("-- allowed: plan.colour is gone because x\n") == set()
