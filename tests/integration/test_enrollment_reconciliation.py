"""The platform's statement against our money: every difference is found and cleared up."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from support.enrollment_people import (
    JINJIANG,
    QINGYANG,
    cancellation,
    hold,
    open_enrollment,
    pay,
    payment_code,
    payment_order_id,
    until_refunded,
    until_state,
)
from support.enrollment_reconciliation import (
    AT_NIGHT,
    DAY,
    day_totals,
    differences,
    export,
    falsify,
    plant_payment,
    statements,
    until_statement,
)
from support.enrollment_service import Installation
from support.enrollment_sessions import FEE_FEN, small_session
from support.service import new_id, until
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb

FEE = 2 * FEE_FEN


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """Seats for all."""
    session = small_session(seats=5)
    async with open_enrollment(make_database, tmp_path, session=session, candidates=5) as found:
        yield found


async def enroll(running: Installation, number: int, county: str = JINJIANG) -> platform_pb.Payment:
    """Take seats and pay for them; the payment."""
    code = await payment_code(running, number, await hold(running, number, counties=(county,)))
    paid = await pay(running, code)
    await until_state(running, number, "CONFIRMED")
    return paid


async def test_every_difference_of_a_day_is_found(running: Installation) -> None:
    """All four kinds, to the fen; what only the platform had is settled, and sums are the same."""
    first = await enroll(running, 1)
    order = await hold(running, 2)
    code = await payment_code(running, 2, order)
    await pay(running, code)
    await until_state(running, 2, "CONFIRMED")
    await pay(running, code)
    await until_refunded(running, 2, FEE)
    unstated = await enroll(running, 3, QINGYANG)
    forgotten = await hold(running, 4, counties=(QINGYANG,))
    await payment_code(running, 4, forgotten)
    await (await running.candidate(4)).call(cancellation(forgotten))
    await plant_payment(running, "P-lost", await payment_order_id(running, forgotten), FEE)
    await plant_payment(running, "P-nobodys", new_id(), 100)
    await falsify(running, first.payment_id, FEE + 1)
    await falsify(running, unstated.payment_id, 0)
    await running.move_clock(AT_NIGHT)
    statement = await until_statement(running)
    payments, stated = 5, 4 * FEE + 1 + 100
    assert statement.totals == platform_pb.StatementTotals(
        payments=payments, payments_fen=stated, refunds=1, refunds_fen=FEE
    )
    assert statement.matched == platform_pb.StatementTotals(
        payments=2, payments_fen=2 * FEE, refunds=1, refunds_fen=FEE
    )
    assert statement.differences == 4
    province = await running.officer("51")

    async def settled() -> bool:
        return len(await differences(province, state=pb.DIFFERENCE_STATE_OPEN)) == 2

    await until(settled)
    found = {each.payment_id: each for each in await differences(province)}
    told = {
        name: (each.kind, each.here_fen, each.there_fen, each.county_code, each.resolution)
        for name, each in found.items()
    }
    open_, here, there = 0, pb.DIFFERENCE_KIND_MISSING_HERE, pb.DIFFERENCE_KIND_MISSING_THERE
    assert told == {
        first.payment_id: (pb.DIFFERENCE_KIND_AMOUNT_DIFFERS, FEE, FEE + 1, JINJIANG, open_),
        unstated.payment_id: (there, FEE, 0, QINGYANG, open_),
        "P-lost": (here, 0, FEE, QINGYANG, pb.RESOLUTION_SETTLED),
        "P-nobodys": (here, 0, 100, "", pb.RESOLUTION_REFUNDED),
    }
    assert {found[name].decided_by for name in ("P-lost", "P-nobodys")} == {"system"}
    assert found["P-lost"].outcome == pb.PAYMENT_OUTCOME_APPLIED
    assert found["P-nobodys"].outcome == pb.PAYMENT_OUTCOME_REFUNDED
    assert (await until_state(running, 4, "CONFIRMED")).county_code == QINGYANG
    await _sums_are_the_same(running, payments, stated)
    await _files_have_all_of_it(running, first.payment_id, unstated.payment_id)


async def _sums_are_the_same(running: Installation, payments: int, stated: int) -> None:
    """What counties took is the statement but for what differs, to the fen."""
    totals = await day_totals(await running.officer("51"))
    assert sum(each.there_fen for each in totals.values()) == stated
    assert sum(each.there_payments for each in totals.values()) == payments
    assert sum(each.there_refunds_fen for each in totals.values()) == FEE
    for each in totals.values():
        assert each.received_fen == each.applied_fen + each.refunded_fen + each.refund_pending_fen
    received = {code: each.received_fen for code, each in totals.items()}
    assert received == {JINJIANG: 3 * FEE, QINGYANG: 2 * FEE, "": 100}
    assert stated - sum(received.values()) == 1 - FEE  # one fen more, one payment not stated
    assert {code: each.open_differences for code, each in totals.items()} == {
        JINJIANG: 1,
        QINGYANG: 1,
        "": 0,
    }
    assert totals[JINJIANG].refunded_fen == FEE


async def _files_have_all_of_it(running: Installation, first: str, unstated: str) -> None:
    """The same as files for a spreadsheet, each office's own part of it."""
    province, county = await running.officer("51"), await running.officer(JINJIANG)
    text = await export(province, pb.ExportDifferencesRequest(county_prefix="51"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {row["缴款流水号"]: (row["差异"], row["状态"]) for row in rows} == {
        first: ("金额不符", "待处理"),
        unstated: ("平台无此款项", "待处理"),
        "P-lost": ("本系统无此款项", "已处理"),
        "P-nobodys": ("本系统无此款项", "已处理"),
    }
    by_id = {row["缴款流水号"]: row for row in rows}
    amounts = (by_id[first]["本系统金额（元）"], by_id[first]["平台金额（元）"])
    assert amounts == ("70.00", "70.01")
    text = await export(
        province, pb.ExportComparisonRequest(county_prefix="51", statement_date=DAY)
    )
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["对账结果"] for row in rows].count("一致") == 5
    verdicts = {row["缴款流水号"]: row["对账结果"] for row in rows if row["对账结果"] != "一致"}
    assert verdicts == {first: "金额不符", unstated: "平台无此款项"}
    text = await export(
        county, pb.ExportComparisonRequest(county_prefix=JINJIANG, statement_date=DAY)
    )
    assert {row["区县代码"] for row in csv.DictReader(io.StringIO(text))} == {JINJIANG}
    assert len(text.splitlines()) == 1 + 4


async def test_each_day_has_its_statement(running: Installation) -> None:
    """Days are asked for one by one from the opening on, also those in which nothing was paid."""
    await enroll(running, 1)
    assert await statements(running) == []
    await running.move_clock(AT_NIGHT + timedelta(days=2))
    found = [await until_statement(running, day=day) for day in (DAY, "2022-03-01", "2022-03-02")]
    assert [statement.totals.payments for statement in found] == [1, 0, 0]
    assert [each.statement_date for each in await statements(running)] == [
        "2022-03-02",
        "2022-03-01",
        DAY,
    ]
