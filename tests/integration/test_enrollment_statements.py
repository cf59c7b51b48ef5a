"""Statements that offices bring as files, and those of a platform that breaks its contract."""

from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from support.enrollment_people import hold, open_enrollment, pay, payment_code, until_state
from support.enrollment_platform import odd_platform
from support.enrollment_reconciliation import (
    AT_NIGHT,
    DAY,
    differences,
    payment_line,
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
from zikao.enrollment.v1 import reconciliation_service_pb2 as pb
from zikao.enrollment.v1 import statement_service_pb2 as st
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb
from zikao_kit.convert import time_to_pb
from zikao_kit.error_table import reason_of

FEE = 2 * FEE_FEN


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session and some candidates."""
    async with open_enrollment(make_database, tmp_path) as found:
        yield found


async def paid_by(running: Installation, number: int) -> platform_pb.Payment:
    """Candidate `number` enrolls; the payment."""
    paid = await pay(running, await payment_code(running, number, await hold(running, number)))
    await until_state(running, number, "CONFIRMED")
    return paid


def stranger(running: Installation, payment_id: str) -> platform_pb.Payment:
    """A payment of an order that nobody knows."""
    paid_at = time_to_pb(AT_NIGHT - timedelta(hours=10))
    return platform_pb.Payment(
        payment_id=payment_id, order_id=new_id(), amount_fen=100, paid_at=paid_at
    )


async def brought(
    running: Installation, lines: list[platform_pb.StatementLine], state: str, **changes: object
) -> st.Statement:
    """Import lines in one message; the statement once it stands so."""
    operator = await running.operator()
    start = start_import(lines, **changes)
    begun = (await operator.call(start)).statement
    assert (begun.state, begun.last_line) == (st.STATEMENT_STATE_RECEIVING, 0)
    if lines:
        await send_lines(operator, start, lines)
    return await until_statement(running, state)


async def test_an_office_brings_what_the_platform_does_not_tell(running: Installation) -> None:
    """Line by line, again from anywhere, the same file twice; another one only to replace it."""
    paid = [await paid_by(running, 1), await paid_by(running, 2)]
    await running.platform.stop()
    await running.move_clock(AT_NIGHT)
    province = await running.officer("51")
    lines = [payment_line(2, paid[0]), payment_line(5, paid[1]), payment_line(9, paid[1])]
    lines[2].payment.payment_id = "P-other"
    start = start_import(lines)
    await until_statement(running, "RECEIVING")  # the platform is being asked
    begun = await province.call(start)
    assert begun.statement.source == st.STATEMENT_SOURCE_FILE
    (answer,) = await send_lines(province, start, lines[:2])
    assert (answer.statement.last_line, answer.statement.totals.payments) == (5, 2)
    assert (await province.call(start)).statement == answer.statement
    other_totals = start_import(lines[:2], request_id=start.request_id)
    assert (await province.refused(other_totals)).reason == "REQUEST_ID_REUSED"
    answers = await send_lines(province, start, lines[1:2], lines)
    assert [each.statement.last_line for each in answers] == [5, 9]
    statement = await until_statement(running)
    assert statement.matched.payments == 2
    assert statement.totals == totals_of(lines)
    same = (await province.call(start)).statement
    assert (same.last_line, same.totals) == (9, statement.totals)
    another = start_import(lines[:2], source_name="再来一份.csv")
    refused = await province.refused(another)
    assert refused.reason == "STATEMENT_EXISTS"
    assert refused.metadata["source"] == "20220228.csv"
    another.replace = True
    await province.call(another)
    assert await differences(province, state=pb.DIFFERENCE_STATE_OPEN) == []
    await send_lines(province, another, lines[:2])
    statement = await until_statement(running)
    assert (statement.totals.payments, statement.source_name) == (2, "再来一份.csv")
    with pytest.raises(grpc.aio.AioRpcError) as gone:
        await send_lines(province, start, lines)
    assert reason_of(gone.value) == "NOT_FOUND"


async def test_an_import_counts_as_a_whole_or_not_at_all(running: Installation) -> None:
    """Every bad line is told, also in a dry run, and then nothing counts; a better file does."""
    await running.platform.stop()
    await running.move_clock(AT_NIGHT)
    operator = await running.operator()
    lines = [payment_line(n, stranger(running, f"P{n}")) for n in range(1, 8)]
    lines[2].payment.payment_id = "P2"
    lines[4].payment.paid_at.CopyFrom(time_to_pb(AT_NIGHT + timedelta(days=1)))
    start = start_import(lines)
    (told,) = await send_lines(operator, start, lines, dry_run=True)
    assert not told.HasField("statement")
    problems = [(problem.line, problem.problem) for problem in told.problems]
    assert problems == [(3, "流水号重复"), (5, "时间不在对账单当日")]
    await operator.call(start)
    answers = await send_lines(operator, start, lines[:1], lines[1:4], lines[4:])
    assert [[each.line for each in answer.problems] for answer in answers] == [[], [3], [5]]
    statement = await until_statement(running, "REFUSED")
    assert statement.problem == "第3行：流水号重复"
    assert await running.rows("SELECT FROM enrollment.statement_line") == []
    begun = (await operator.call(start)).statement
    assert (begun.state, begun.last_line) == (st.STATEMENT_STATE_RECEIVING, 0)
    good = [line for line in lines if line.line not in (3, 5)]
    wrong_sum = totals_of(good)
    wrong_sum.payments_fen += 1
    statement = await brought(running, good, "REFUSED", totals=wrong_sum)
    assert "合计" in statement.problem
    statement = await brought(running, good, "COMPARED")
    assert (statement.totals.payments, statement.differences) == (5, 5)


async def test_lines_are_of_one_statement(running: Installation) -> None:
    """Money of one day's statement is refused in another day's, and an empty day is complete."""
    await running.platform.stop()
    await running.move_clock(AT_NIGHT + timedelta(days=1))
    lines = [payment_line(1, stranger(running, "P1"))]
    lines[0].payment.paid_at.CopyFrom(time_to_pb(AT_NIGHT - timedelta(hours=3, minutes=5)))
    await brought(running, lines, "COMPARED")
    operator = await running.operator()
    start = start_import(lines, statement_date="2022-03-01")
    await operator.call(start)
    (answer,) = await send_lines(operator, start, lines)
    assert [problem.problem for problem in answer.problems] == [f"流水号已在{DAY}的对账单中"]
    await operator.call(start_import([], statement_date="2022-03-01"))
    await until_statement(running, day="2022-03-01")
    for day, field in (("2022-03-02", "statement_date"), ("2022-02-30", "statement_date")):
        refused = await operator.refused(start_import([], statement_date=day))
        assert [problem.field for problem in refused.fields] == [field]
    with pytest.raises(grpc.aio.AioRpcError) as descending:
        descends = [payment_line(2, lines[0].payment), lines[0]]
        await send_lines(operator, start, descends, dry_run=True)
    assert reason_of(descending.value) == "INVALID_REQUEST"


Page = platform_pb.StreamStatementResponse
BROKEN: dict[str, Callable[[list[platform_pb.StatementLine]], list[Page]]] = {
    "缺少合计": lambda lines: [Page(lines=lines)],
    "行号不连续": lambda lines: [Page(lines=lines[1:], totals=totals_of(lines[1:]))],
    "合计之后仍有内容": lambda lines: [Page(lines=lines, totals=totals_of(lines)), Page()],
    "对账单各行合计与所报笔数、金额不一致": lambda lines: [
        Page(lines=lines, totals=totals_of(lines[1:]))
    ],
    "第2行：流水号重复": lambda lines: [
        Page(lines=[lines[0], payment_line(2, lines[0].payment)], totals=totals_of(lines))
    ],
    "时间或流水号不正确": lambda lines: [Page(lines=[_changed(lines[0], payment_id="P\0")])],
    "lines[0].payment.order_id：必须是UUID": lambda lines: [
        Page(lines=[_changed(lines[0], order_id="x")])
    ],
    "第1行：时间不在对账单当日": lambda lines: [
        Page(lines=[_changed(lines[0], paid_at=Timestamp(seconds=1))])
    ],
}


def _changed(line: platform_pb.StatementLine, **changes: object) -> platform_pb.StatementLine:
    payment = platform_pb.Payment()
    payment.CopyFrom(line.payment)
    payment.MergeFrom(platform_pb.Payment(**changes))  # type: ignore[arg-type]
    return payment_line(line.line, payment)


async def ask_again(running: Installation) -> None:
    """Let the pause after the last attempt be over."""
    await running.rows("UPDATE enrollment.statement SET next_attempt_at = now()")


async def test_a_statement_against_the_contract_is_refused(running: Installation) -> None:
    """Whatever is wrong with it, nothing of it counts; people see why, and it is asked again."""
    lines = [payment_line(n, stranger(running, f"P{n}")) for n in (1, 2)]
    async with odd_platform(running) as platform:
        await running.move_clock(AT_NIGHT)
        for problem, pages in BROKEN.items():
            platform.statement = pages(lines)
            await ask_again(running)

            async def refused(problem: str = problem) -> bool:
                return [each.problem for each in await statements(running)] == [problem]

            await until(refused)
            (statement,) = await statements(running)
            assert statement.state == st.STATEMENT_STATE_REFUSED
        platform.statement = [Page(lines=lines[:1]), Page(lines=lines[1:], totals=totals_of(lines))]
        await ask_again(running)
        statement = await until_statement(running)
        assert (statement.totals, statement.problem) == (totals_of(lines), "")


async def test_a_broken_stream_goes_on_where_it_was(running: Installation) -> None:
    """Pages that have come are kept: the platform is asked for the lines behind them only."""
    lines = [payment_line(n, stranger(running, f"P{n}")) for n in range(1, 5)]
    async with odd_platform(running) as platform:
        platform.statement = [Page(lines=lines[:2])]
        platform.breaks_off = True
        await running.move_clock(AT_NIGHT)

        async def half_there() -> bool:
            return [each.last_line for each in await statements(running)] == [2]

        await until(half_there)
        platform.breaks_off = False
        platform.statement = [Page(lines=lines[2:], totals=totals_of(lines))]
        await until(lambda: platform.asked.count(f"{DAY} behind 0") == 1)
        await ask_again(running)
        statement = await until_statement(running)
        assert statement.totals == totals_of(lines)
        assert f"{DAY} behind 2" in platform.asked
