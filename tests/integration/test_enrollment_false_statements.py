"""A statement that an office brings is no money: a file alone enrolls nobody, nor pays anybody."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from support.enrollment_people import (
    NOON,
    hold,
    last_order,
    open_enrollment,
    pay,
    payment_code,
    payment_order_id,
    state_of,
    until_refunded,
    until_state,
)
from support.enrollment_platform import odd_platform
from support.enrollment_reconciliation import (
    AT_NIGHT,
    DAY,
    differences,
    falsify,
    payment_line,
    plant_payment,
    send_lines,
    start_import,
    statements,
    totals_of,
    until_statement,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import statement_service_pb2 as st
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb
from zikao_kit.convert import time_to_pb

FEE = 2 * FEE_FEN
# The day is over, and the platform is not asked for its statement yet.
BEFORE_THE_HOUR = NOON + timedelta(hours=13)


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session and some candidates."""
    async with open_enrollment(make_database, tmp_path) as found:
        yield found


async def bring(running: Installation, *lines: platform_pb.StatementLine) -> None:
    """An officer of the province brings a file, in place of another one if need be."""
    province = await running.officer("51")
    start = start_import(list(lines), replace=True)
    await province.call(start)
    await send_lines(province, start, list(lines))
    await until_statement(running)


async def test_a_payment_of_a_file_counts_when_the_platform_has_it(running: Installation) -> None:
    """One that an officer has made up confirms no order; one that nobody told us of does."""
    attempts = []
    for number in (1, 2):
        order = await hold(running, number)
        await payment_code(running, number, order)
        attempts.append(await payment_order_id(running, order))
    paid = [
        platform_pb.Payment(
            payment_id=payment_id,
            order_id=attempt,
            amount_fen=FEE,
            paid_at=time_to_pb(running.now()),
        )
        for payment_id, attempt in zip(("P-made-up", "P-lost"), attempts, strict=True)
    ]
    await running.move_clock(BEFORE_THE_HOUR)
    for number in (1, 2):
        await until_state(running, number, "RELEASED")
    await plant_payment(running, "P-lost", attempts[1], FEE)
    await bring(running, payment_line(1, paid[0]), payment_line(2, paid[1]))
    await until_state(running, 2, "CONFIRMED")

    async def looked_at() -> bool:
        rows = await running.rows(
            "SELECT FROM enrollment.difference WHERE payment_id = 'P-made-up'"
            " AND state = 'open' AND attempts > 1"
        )
        return len(rows) == 1

    await until(looked_at)
    assert await state_of(running, 1) == "RELEASED"
    rows = await running.rows("SELECT payment_id FROM enrollment.payment")
    assert [row["payment_id"] for row in rows] == ["P-lost"]


async def test_a_file_pays_nobody_back(running: Installation) -> None:
    """A refund that a file has and the platform has not goes on being asked for."""
    code = await payment_code(running, 1, await hold(running, 1))
    await pay(running, code, FEE + 1)

    await until_refunded(running, 1, FEE + 1)
    (made,) = await running.rows(
        "UPDATE enrollment.refund SET refunded_at = NULL, next_attempt_at = now() + '1 day'"
        " RETURNING refund_id, payment_id"
    )
    order_id = await payment_order_id(running, await last_order(running, 1))
    paid = platform_pb.Payment(
        payment_id=made["payment_id"],
        order_id=order_id,
        amount_fen=FEE + 1,
        paid_at=time_to_pb(running.now()),
    )
    refund = platform_pb.RefundMade(
        refund_id=str(made["refund_id"]),
        payment_id=made["payment_id"],
        order_id=order_id,
        amount_fen=FEE + 1,
        refunded_at=time_to_pb(running.now()),
    )
    lines = [payment_line(1, paid), platform_pb.StatementLine(line=2, refund=refund)]
    await running.platform.stop()
    await running.move_clock(AT_NIGHT)
    await bring(running, *lines)
    (after,) = await running.rows("SELECT refunded_at FROM enrollment.refund")
    assert after["refunded_at"] is None


async def test_a_file_left_lying_keeps_no_day_from_the_platform(running: Installation) -> None:
    """Begun and never ended it gives way after a while; the metric tells of the day until then."""
    await pay(running, await payment_code(running, 1, await hold(running, 1)))
    paid = await until_state(running, 1, "CONFIRMED")
    assert paid.fee_fen == FEE
    await running.move_clock(BEFORE_THE_HOUR)
    province = await running.officer("51")
    payment = platform_pb.Payment(
        payment_id="P-1", order_id=new_id(), amount_fen=1, paid_at=time_to_pb(NOON)
    )
    await province.call(start_import([payment_line(1, payment)]))
    await running.move_clock(AT_NIGHT)

    def unreconciled() -> bool:
        return REGISTRY.get_sample_value("zikao_enrollment_unreconciled_days") == 1

    await until(unreconciled)
    await running.rows(
        "UPDATE enrollment.statement SET next_attempt_at = now() - INTERVAL '2 hour'"
    )
    statement = await until_statement(running)
    assert (statement.source, statement.matched.payments) == (st.STATEMENT_SOURCE_PLATFORM, 1)
    await until(lambda: not unreconciled())


async def test_a_file_hides_nothing_from_the_platform(running: Installation) -> None:
    """One made to match our ledger counts until the platform's own has come; then none does."""
    paid = await pay(running, await payment_code(running, 1, await hold(running, 1)))
    await until_state(running, 1, "CONFIRMED")
    await falsify(running, paid.payment_id, FEE - 1)
    await running.move_clock(BEFORE_THE_HOUR)
    for _ in range(2):
        await bring(running, payment_line(1, paid))
    (statement,) = await statements(running)
    assert (statement.source, statement.differences) == (st.STATEMENT_SOURCE_FILE, 0)
    await running.move_clock(AT_NIGHT)

    async def told() -> bool:
        (statement,) = await statements(running)
        return (statement.source, statement.state, statement.open_differences) == (
            st.STATEMENT_SOURCE_PLATFORM,
            st.STATEMENT_STATE_COMPARED,
            1,
        )

    await until(told)
    province = await running.officer("51")
    (difference,) = await differences(province)
    assert (difference.here_fen, difference.there_fen) == (FEE, FEE - 1)
    refused = await province.refused(start_import([payment_line(1, paid)], replace=True))
    assert (refused.reason, refused.metadata["source"]) == ("STATEMENT_EXISTS", "缴费平台")
    assert await told()


async def test_a_file_counts_on_while_the_platform_tells_nonsense(running: Installation) -> None:
    """Its statement takes a file's place only when all of it is there and adds up."""
    paid = platform_pb.Payment(
        payment_id="P-1", order_id=new_id(), amount_fen=1, paid_at=time_to_pb(NOON)
    )
    lines = [payment_line(1, paid)]
    page = platform_pb.StreamStatementResponse
    early = platform_pb.Payment()
    early.CopyFrom(paid)
    early.paid_at.CopyFrom(time_to_pb(NOON - timedelta(days=3)))
    nonsense = [
        [],
        [page(lines=lines)],
        [page(lines=lines, totals=totals_of([]))],
        [page(lines=[payment_line(1, early)], totals=totals_of(lines))],
    ]
    await running.move_clock(BEFORE_THE_HOUR)
    await bring(running, *lines)
    (before,) = await statements(running)
    async with odd_platform(running) as platform:
        for pages in [*nonsense, [page(lines=lines, totals=totals_of(lines))]]:
            assert await statements(running) == [before]
            platform.statement = pages
            platform.asked.clear()
            await running.move_clock(AT_NIGHT)
            await running.rows("UPDATE enrollment.statement SET next_attempt_at = now()")
            await platform.until_asked(f"{DAY} behind 0")

        async def taken_over() -> bool:
            return (await statements(running))[0].source == st.STATEMENT_SOURCE_PLATFORM

        await until(taken_over)
