"""What becomes of differences and lines when a statement gives way, or money comes after all."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest
from support.enrollment_comparing import (
    DAY,
    MIDNIGHT,
    compare,
    connected,
    differences,
    insert_next_day,
    payments_at,
    process,
    take_lines,
)
from support.enrollment_database import NOW
from support.enrollment_money_rows import insert_payments, insert_statement
from support.enrollment_sessions import FEE_FEN
from support.service_databases import MakeDatabase
from zikao_enrollment.domain.differences import (
    DifferenceKind,
    DifferenceState,
)
from zikao_enrollment.domain.statements import (
    Statement,
    StatementSource,
    StatementState,
    Totals,
)
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.statements import StatementStore
from zikao_kit.db import Database

# A difference that was cleared up: of a payment, of kind $2, with what we had by $3, by $4.
_RESOLVED = """
INSERT INTO enrollment.difference
    (statement_date, money, subject_id, payment_id, order_id, session_code, county_code, kind,
    here_fen, there_fen, moved_at, found_at, state, resolution, decided_by, decided_at)
SELECT '2022-02-28', 'payment', payment_id, payment_id, payment_order_id, '22.1', '', $2, $3, 1,
    paid_at, now(), 'resolved', 'explained', $4, now()
FROM enrollment.payment WHERE payment_id = $1
ON CONFLICT (subject_id, money) DO UPDATE SET
    state = 'resolved', resolution = 'explained', decided_by = $4, decided_at = now()
"""


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A database with a session."""
    dsn = await make_database(SCHEMA)
    async with connected(dsn) as connection:
        await connection.execute("INSERT INTO enrollment.session VALUES ('22.1', 1, '{}', $1)", NOW)
    return dsn


async def test_what_a_statement_had_that_gave_way_is_missing(dsn: str) -> None:
    """Money that the first file had, settled, explained or matched, and the one after it has not.

    Also around a midnight that the day after has looked at, and what no statement ever had.
    """
    minutes = [60, 120, 180, 24 * 60 - 10, 24 * 60 - 5, 24 * 60 + 5, 25 * 60]
    async with connected(dsn) as connection, process(dsn) as db:
        names = await payments_at(connection, minutes)
        kept, settled, explained, never, late, early, next_day = names
        await insert_statement(connection, DAY.begins_at)
        await take_lines(connection, [never, next_day])
        await connection.execute(
            "UPDATE enrollment.statement_line SET amount_fen = amount_fen + 1"
            " WHERE subject_id = $1",
            explained,
        )
        await compare(db)
        await connection.execute(_RESOLVED, settled, "missing_here", None, "system")
        await connection.execute(_RESOLVED, explained, "amount_differs", FEE_FEN, "an officer")
        await insert_next_day(connection, next_day)
        await compare(db)
        assert {
            name
            for name, each in (await differences(db)).items()
            if each.state is DifferenceState.OPEN
        } == {never}
        await replace_statement(db, connection, [kept])
        await compare(db)
        found = await differences(db)
    assert set(found) == {settled, explained, never, late, early}
    assert {each.kind for each in found.values()} == {DifferenceKind.MISSING_THERE}
    assert {each.state for each in found.values()} == {DifferenceState.OPEN}
    assert found[early].statement_date == DAY.on + timedelta(days=1)


async def test_money_does_not_wait_for_a_second_officer(dsn: str) -> None:
    """What one officer has proposed of a payment gives way once the payment is here and there."""
    async with connected(dsn) as connection, process(dsn) as db:
        (payment_id,) = await payments_at(connection, [60])
        await insert_statement(connection, DAY.begins_at)
        await connection.execute(_RESOLVED, payment_id, "missing_here", None, "an officer")
        await connection.execute("UPDATE enrollment.difference SET state = 'in_review'")
        async with db.transaction() as tx:
            (due,) = await DifferenceStore(tx).lease(timedelta(0), timedelta(0), 10)
            assert await DifferenceStore(tx).settle([due.difference_id], NOW) == 1
        found = (await differences(db))[payment_id]
    assert (due.payment_id, found.state, found.decided_by) == (
        payment_id,
        DifferenceState.RESOLVED,
        "system",
    )


async def test_another_order_is_another_difference(dsn: str) -> None:
    """One that was explained stays so while a statement says the same, and opens with a new order.

    A statement that names yet another order says something that nobody has explained.
    """
    name_order = "UPDATE enrollment.statement_line SET order_id = $1"
    async with connected(dsn) as connection, process(dsn) as db:
        (payment_id,) = await payments_at(connection, [60])
        await insert_statement(connection, DAY.begins_at)
        first, other = uuid4(), uuid4()
        states = []
        for order_id in (first, first, other):
            await replace_statement(db, connection, [payment_id])
            await connection.execute(name_order, order_id)
            await compare(db)
            found = (await differences(db))[payment_id]
            states.append((found.kind, found.order_id, found.state))
            await connection.execute(
                "UPDATE enrollment.difference SET state = 'resolved', resolution = 'explained',"
                " decided_by = 'an officer', decided_at = now()"
            )
    kind, open_ = DifferenceKind.ORDER_DIFFERS, DifferenceState.OPEN
    assert states == [
        (kind, first, open_),
        (kind, first, DifferenceState.RESOLVED),
        (kind, other, open_),
    ]


async def test_only_lines_that_count_for_nothing_are_cleared(dsn: str) -> None:
    """Whoever clears late, after another import has begun, takes no line of that one."""
    async with connected(dsn) as connection, process(dsn) as db:
        await insert_payments(connection, 3, MIDNIGHT, timedelta(hours=2))
        await insert_statement(connection, DAY.begins_at)
        await connection.execute(
            "UPDATE enrollment.statement_line SET import_id = gen_random_uuid() WHERE line = 1"
        )
        cleared = []
        for state, problem in (("receiving", ""), ("refused", "不符")):
            await connection.execute(
                "UPDATE enrollment.statement SET state = $1, problem = $2", state, problem
            )
            async with db.transaction() as tx:
                cleared.append(await StatementStore(tx).delete_idle_lines(DAY.on, 1000))
    assert cleared == [1, 2]


async def replace_statement(
    db: Database, connection: asyncpg.Connection, payment_ids: list[str]
) -> None:
    """Another statement of the day, with these payments, takes the place of the first."""
    new = Statement(
        DAY.on, uuid4(), StatementSource.FILE, "", StatementState.RECEIVING, "test", NOW
    )
    async with db.transaction() as tx:
        await StatementStore(tx).renew(new)
    async with db.transaction() as tx:
        await StatementStore(tx).delete_idle_lines(DAY.on, 1000)
    await connection.execute(
        "INSERT INTO enrollment.statement_line (statement_date, import_id, line, money, subject_id,"
        " payment_id, order_id, amount_fen, moved_at, payment_code)"
        " SELECT $1, $2, row_number() OVER (), 'payment', payment_id, payment_id,"
        " payment_order_id, amount_fen, paid_at, '' FROM enrollment.payment"
        " WHERE payment_id = ANY ($3)",
        DAY.on,
        new.import_id,
        payment_ids,
    )
    totals = Totals(len(payment_ids), len(payment_ids) * FEE_FEN, 0, 0)
    async with db.transaction() as tx:
        stated = replace(new, last_line=totals.payments, totals=totals, stated=totals)
        await StatementStore(tx).save_received(stated.completed())
