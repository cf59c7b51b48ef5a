"""How a statement is compared: step by step, to the fen, and fairly around midnight."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from support.enrollment_comparing import (
    DAY,
    MIDNIGHT,
    PROVINCE,
    compare,
    connected,
    differences,
    insert_next_day,
    payments_at,
    process,
    step,
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
    StatementState,
)
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.stores.comparisons import ComparisonStore
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.statements import StatementStore


@pytest.fixture
async def dsn(make_database: MakeDatabase) -> str:
    """A database with a session."""
    dsn = await make_database(SCHEMA)
    async with connected(dsn) as connection:
        await connection.execute("INSERT INTO enrollment.session VALUES ('22.1', 1, '{}', $1)", NOW)
    return dsn


async def test_one_fen_is_found_among_many(dsn: str) -> None:
    """Among 20,000 payments of 183 counties the three that differ are found, and sums are right."""
    count = 20_000
    async with connected(dsn) as connection:
        await insert_payments(connection, count, MIDNIGHT, timedelta(seconds=4))
        await insert_statement(connection, DAY.begins_at)
        ids = await connection.fetch(
            "SELECT payment_id FROM enrollment.payment ORDER BY paid_at LIMIT 3 OFFSET 9999"
        )
        dear, unstated, unknown = (row["payment_id"] for row in ids)
        line = "enrollment.statement_line"
        await connection.execute(
            f"UPDATE {line} SET amount_fen = amount_fen + 1 WHERE subject_id = $1", dear
        )
        await connection.execute(f"DELETE FROM {line} WHERE subject_id = $1", unstated)
        await connection.execute("DELETE FROM enrollment.payment WHERE payment_id = $1", unknown)
        await connection.execute(
            "UPDATE enrollment.statement SET payments = $1, stated_payments = $1,"
            " payments_fen = $2, stated_payments_fen = $2",
            count - 1,
            stated := (count - 1) * FEE_FEN + 1,
        )
    async with process(dsn) as db:
        summary = await compare(db)
        found = await differences(db)
        async with db.read() as tx:
            totals = await ComparisonStore(tx).sum_day(DAY, PROVINCE)
    assert summary.statement.state is StatementState.COMPARED
    assert summary.statement.matched.payments == count - 3
    assert summary.statement.matched.payments_fen == (count - 3) * FEE_FEN
    told = {name: (each.kind, each.here_fen, each.there_fen) for name, each in found.items()}
    assert told == {
        dear: (DifferenceKind.AMOUNT_DIFFERS, FEE_FEN, FEE_FEN + 1),
        unstated: (DifferenceKind.MISSING_THERE, FEE_FEN, None),
        unknown: (DifferenceKind.MISSING_HERE, None, FEE_FEN),
    }
    assert len(totals) == 183
    assert sum(each.there_fen for each in totals) == stated
    received = sum(each.received_fen for each in totals)
    assert received == sum(each.applied_fen for each in totals) == (count - 1) * FEE_FEN
    unlike = ((each.there_fen or 0) - (each.here_fen or 0) for each in found.values())
    assert stated - received == sum(unlike)


async def test_any_process_goes_on_with_a_comparison(dsn: str) -> None:
    """One that dies between two steps leaves nothing undone; two never do the same step."""
    async with connected(dsn) as connection:
        await insert_payments(connection, 10, MIDNIGHT, timedelta(hours=2))
        await insert_statement(connection, DAY.begins_at)
    async with process(dsn) as first, process(dsn) as second:
        async with first.transaction() as tx:
            assert await StatementStore(tx).lock_comparing() is not None
            assert not await step(second)
        assert await step(first)
        summary = await compare(second)
    assert summary.statement.matched.payments == 10
    assert (summary.statement.state, summary.differences) == (StatementState.COMPARED, 0)


async def test_money_around_midnight_may_stand_in_the_day_beside(dsn: str) -> None:
    """The last quarter of an hour waits for the next day's statement; what neither has is missing.

    So is money of which we hear only after its day was compared; each belongs to its own day.
    """
    minutes = [-5, 60, 23 * 60, 24 * 60 - 10, 24 * 60 - 5]  # after the day's midnight
    async with connected(dsn) as connection:
        names = await payments_at(connection, minutes)
        before, early, late, stated_next_day, never = names
        await insert_statement(connection, DAY.begins_at)
        await take_lines(connection, [late, stated_next_day, never])
    async with process(dsn) as db:
        summary = await compare(db)
        assert summary.statement.matched.payments == 2  # one of them from the evening before
        assert set(await differences(db)) == {late}
        async with connected(dsn) as connection:
            await heard_late(connection, early_id := UUID(int=1), MIDNIGHT + timedelta(hours=30))
            await insert_next_day(connection, stated_next_day)
        await compare(db)
        found = await differences(db)
    assert set(found) == {late, never, f"P-{early_id}"}
    assert {each.statement_date for each in found.values()} == {DAY.on}
    assert before not in found
    assert early not in found


async def test_refunds_are_compared_too(dsn: str) -> None:
    """Refunds that differ are told like payments; one that is stated has been made."""
    other, unstated, pending, same = (UUID(int=number) for number in range(1, 5))
    strangers = "R-strangers"
    async with connected(dsn) as connection:
        await insert_payments(connection, 4, MIDNIGHT, timedelta(hours=1))
        await insert_statement(connection, DAY.begins_at)
        await connection.execute("UPDATE enrollment.statement SET source = 'platform'")
        for refund_id in (other, unstated, pending, same):
            await insert_refund(connection, refund_id, made=refund_id != pending)
        stated = {str(other): FEE_FEN - 1, str(pending): FEE_FEN, str(same): FEE_FEN}
        await state_refunds(connection, stated | {strangers: 5})
    async with process(dsn) as db:
        summary = await compare(db)
        found = (await differences(db)).values()
        assert summary.statement.matched == (4, 4 * FEE_FEN, 2, 2 * FEE_FEN)
        told = {each.subject_id: (each.kind, each.here_fen, each.there_fen) for each in found}
        assert told == {
            str(other): (DifferenceKind.AMOUNT_DIFFERS, FEE_FEN, FEE_FEN - 1),
            str(unstated): (DifferenceKind.MISSING_THERE, FEE_FEN, None),
            strangers: (DifferenceKind.MISSING_HERE, None, 5),
        }
        async with connected(dsn) as connection:
            assert await connection.fetchval(
                "SELECT refunded_at IS NOT NULL FROM enrollment.refund WHERE refund_id = $1",
                pending,
            )
            await state_refunds(connection, {str(unstated): FEE_FEN})
        async with db.transaction() as tx:
            ids = [each.difference_id for each in found]
            assert await DifferenceStore(tx).settle(ids, NOW) == 1
        states = {each.subject_id: each.state for each in (await differences(db)).values()}
    assert states.pop(str(unstated)) is DifferenceState.RESOLVED
    assert set(states.values()) == {DifferenceState.OPEN}


async def insert_refund(connection: asyncpg.Connection, refund_id: UUID, *, made: bool) -> None:
    """The payment of the order with the same number goes back."""
    payment_id = await connection.fetchval(
        "UPDATE enrollment.payment SET disposition = 'refund', flag = 'late'"
        " WHERE order_id = $1 RETURNING payment_id",
        refund_id,
    )
    await connection.execute(
        "INSERT INTO enrollment.refund (refund_id, payment_id, amount_fen, requested_at,"
        " next_attempt_at, refunded_at) VALUES ($1, $2, $3, $4, $4, $5)",
        refund_id,
        payment_id,
        FEE_FEN,
        NOW,
        NOW if made else None,
    )


async def state_refunds(connection: asyncpg.Connection, refunds: dict[str, int]) -> None:
    """The day's statement has these refunds too: their ids and what went back."""
    for refund_id, fen in refunds.items():
        await connection.execute(
            "UPDATE enrollment.statement SET last_line = last_line + 1, refunds = refunds + 1,"
            " refunds_fen = refunds_fen + $1, stated_refunds = refunds + 1,"
            " stated_refunds_fen = refunds_fen + $1",
            fen,
        )
        await connection.execute(
            "INSERT INTO enrollment.statement_line (statement_date, import_id, line, money,"
            " subject_id, payment_id, order_id, amount_fen, moved_at, payment_code)"
            " SELECT statement_date, import_id, last_line, 'refund', $1,"
            " coalesce((SELECT payment_id FROM enrollment.refund WHERE refund_id::text = $1), 'P'),"
            " coalesce((SELECT payment_order_id FROM enrollment.refund JOIN enrollment.payment"
            " USING (payment_id) WHERE refund_id::text = $1), gen_random_uuid()), $2, $3, ''"
            " FROM enrollment.statement",
            refund_id,
            fen,
            NOW,
        )


async def heard_late(connection: asyncpg.Connection, order_id: UUID, at: datetime) -> None:
    """Word comes of a payment that was made at noon of the day."""
    await connection.execute(
        "INSERT INTO enrollment.payment (payment_id, payment_order_id, amount_fen, paid_at,"
        " received_at, disposition, flag) VALUES ($1, $2, 100, $3, $4, 'refund', 'late')",
        f"P-{order_id}",
        order_id,
        MIDNIGHT + timedelta(hours=12),
        at,
    )
