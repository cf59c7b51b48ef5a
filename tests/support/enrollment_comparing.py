"""Statements that are compared in a database, step by step, and the money around them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta

import asyncpg
from support.enrollment_database import NOW
from support.enrollment_money_rows import insert_payments
from support.enrollment_sessions import FEE_FEN
from zikao_enrollment.commands.compare_statement import compare_statement
from zikao_enrollment.domain.differences import (
    Area,
    Difference,
    DifferenceFilter,
)
from zikao_enrollment.domain.statements import (
    Day,
    StatementSummary,
)
from zikao_enrollment.names import PACKAGE
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.money import MoneyStore
from zikao_enrollment.stores.statements import StatementStore
from zikao_kit.china_time import CHINA
from zikao_kit.config import DatabaseConfig
from zikao_kit.db import Database
from zikao_kit.queries import Queries

MIDNIGHT = datetime(2022, 2, 27, 16, tzinfo=UTC)
DAY = Day.of(date(2022, 2, 28), CHINA)
PROVINCE = Area("51")


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """Somebody at the database."""
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def process(dsn: str) -> AsyncIterator[Database]:
    """The pool of a process."""
    async with await Database.connect(DatabaseConfig(dsn=dsn), Queries.load(PACKAGE)) as db:
        yield db


async def step(db: Database) -> bool:
    """One step of comparing."""
    async with db.transaction() as tx:
        return await compare_statement(
            StatementStore(tx), ComparisonStore(tx), MoneyStore(tx), CHINA, NOW
        )


async def compare(db: Database) -> StatementSummary:
    """All steps; the latest statement."""
    while await step(db):
        pass
    async with db.read() as tx:
        return (await StatementStore(tx).list_page(None, 1))[0]


async def differences(db: Database) -> dict[str, Difference]:
    """All differences by payment."""
    async with db.read() as tx:
        found = await DifferenceStore(tx).list_page(PROVINCE, DifferenceFilter(), None, 1000)
    return {each.payment_id: each for each in found}


async def payments_at(connection: asyncpg.Connection, minutes: list[int]) -> list[str]:
    """A payment at each of these minutes of the day, ascending; their ids."""
    await insert_payments(connection, len(minutes), MIDNIGHT, timedelta())
    for number, minute in enumerate(minutes, 1):
        await connection.execute(
            "UPDATE enrollment.payment SET paid_at = $2, received_at = $2"
            " WHERE payment_id = 'P' || md5($1)",
            str(number),
            MIDNIGHT + timedelta(minutes=minute),
        )
    rows = await connection.fetch("SELECT payment_id FROM enrollment.payment ORDER BY paid_at")
    return [row["payment_id"] for row in rows]


async def take_lines(connection: asyncpg.Connection, payment_ids: list[str]) -> None:
    """The statement has not these."""
    await connection.execute(
        "DELETE FROM enrollment.statement_line WHERE subject_id = ANY ($1)", payment_ids
    )


async def insert_next_day(connection: asyncpg.Connection, payment_id: str) -> None:
    """The next day's statement, with one payment in it."""
    await connection.execute(
        "INSERT INTO enrollment.statement (statement_date, import_id, source, source_name, state,"
        " started_by, started_at, stated_payments, stated_payments_fen, stated_refunds,"
        " stated_refunds_fen, last_line, payments, payments_fen)"
        " SELECT statement_date + 1, import_id, 'file', '', 'comparing', 'test', now(), 1, $1, 0,"
        " 0, 1, 1, $1 FROM enrollment.statement",
        FEE_FEN,
    )
    await connection.execute(
        "INSERT INTO enrollment.statement_line (statement_date, import_id, line, money, subject_id,"
        " payment_id, order_id, amount_fen, moved_at, payment_code)"
        " SELECT statement_date, import_id, 1, 'payment', payment_id, payment_id, payment_order_id,"
        " amount_fen, paid_at, '' FROM enrollment.payment, enrollment.statement"
        " WHERE payment_id = $1 AND state = 'comparing'",
        payment_id,
    )
