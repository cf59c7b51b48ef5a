"""The sandbox's daily statement: what its payment platform took and gave back, and planted lies."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from support.enrollment_people import (
    NOON,
    hold,
    open_enrollment,
    pay,
    payment_code,
    payment_order_id,
    until_refunded,
)
from support.enrollment_service import Installation
from support.service import TIMEOUT_SECONDS, new_id
from support.service_databases import MakeDatabase
from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao.sandbox.v1 import sandbox_service_pb2 as sandbox
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import reason_of

DAY = "2022-02-28"


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Two candidates, and seats for both."""
    async with open_enrollment(make_database, tmp_path, candidates=2) as found:
        yield found


async def statement(
    running: Installation, day: str = DAY, after_line: int = 0
) -> tuple[list[pb.StatementLine], pb.StatementTotals]:
    """What the platform states of a day."""
    enrollment = await running.caller("enrollment", running.platform_port)
    request = pb.StreamStatementRequest(statement_date=day, after_line=after_line)
    pages = [page async for page in enrollment.start(request, TIMEOUT_SECONDS)]
    assert [page.HasField("totals") for page in pages] == [False] * (len(pages) - 1) + [True]
    return [line for page in pages for line in page.lines], pages[-1].totals


async def why_there_is_none(running: Installation, day: str) -> str | None:
    """The reason that the platform gives for not having a statement."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await statement(running, day)
    return reason_of(caught.value)


async def test_a_statement_has_all_that_moved_in_a_day(running: Installation) -> None:
    """Payments, then refunds, numbered alike each time; it is there when the day has ended."""
    order = await hold(running, 1)
    code = await payment_code(running, 1, order)
    paid, twice = await pay(running, code), await pay(running, code)
    await until_refunded(running, 1, order.fee_fen)
    assert await why_there_is_none(running, DAY) == "NOT_FOUND"
    assert await why_there_is_none(running, "2022-02-30") == "INVALID_REQUEST"
    await running.move_clock(NOON + timedelta(hours=12))
    lines, totals = await statement(running)
    assert [line.line for line in lines] == [1, 2, 3]
    assert [line.payment for line in lines[:2]] == [paid, twice]
    assert {line.payment_code for line in lines} == {code}
    assert lines[2].refund.payment_id in (paid.payment_id, twice.payment_id)
    assert lines[2].refund.order_id == await payment_order_id(running, order)
    fee = order.fee_fen
    assert totals == pb.StatementTotals(
        payments=2, payments_fen=2 * fee, refunds=1, refunds_fen=fee
    )
    assert await statement(running, after_line=1) == (lines[1:], totals)
    assert await statement(running, "2022-02-27") == ([], pb.StatementTotals())


async def test_differences_can_be_planted(running: Installation) -> None:
    """Money that nobody was told of is stated; true money is stated wrongly, or not at all."""
    paid = [
        await pay(running, await payment_code(running, number, await hold(running, number)))
        for number in (1, 2)
    ]
    extra = pb.Payment(
        payment_id="X1", order_id=new_id(), amount_fen=1, paid_at=time_to_pb(running.now())
    )
    operator = await running.at_platform()
    planted = sandbox.PlantPaymentRequest(request_id=new_id(), payment=extra)
    await operator.call(planted)
    await operator.call(planted)
    planted.request_id = new_id()
    assert (await operator.refused(planted)).reason == "REQUEST_ID_REUSED"
    lies = {paid[0].payment_id: 3501, paid[1].payment_id: 0}
    for subject_id, amount_fen in lies.items():
        lie = sandbox.FalsifyStatementRequest(
            request_id=new_id(), subject_id=subject_id, amount_fen=amount_fen
        )
        await operator.call(lie)
        await operator.call(lie)
    await running.move_clock(NOON + timedelta(hours=12))
    lines, totals = await statement(running)
    found = [(line.payment.payment_id, line.payment.amount_fen) for line in lines]
    assert found == [(paid[0].payment_id, 3501), ("X1", 1)]
    assert totals == pb.StatementTotals(payments=2, payments_fen=3502)
