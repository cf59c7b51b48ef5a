"""`zikao import-statement` against a running service."""

import csv
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from support.commands import Ended, run_command
from support.enrollment_people import hold, open_enrollment, pay, payment_code, until_state
from support.enrollment_reconciliation import AT_NIGHT, DAY, statements
from support.enrollment_service import Installation
from support.service import new_id
from support.service_databases import MakeDatabase
from zikao.enrollment.v1 import statement_service_pb2 as st
from zikao.payment.v1 import payment_platform_service_pb2 as platform_pb

HEADER = ["时间", "类型", "缴款流水号", "退款流水号", "订单号", "金额（元）"]


@pytest.fixture
async def running(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    """A session, and a platform that can be asked for nothing in the night after its first day."""
    async with open_enrollment(make_database, tmp_path, candidates=1) as found:
        yield found


async def bring(running: Installation, *arguments: str | Path) -> Ended:
    """Run the command as an operator does."""
    certs = running.ca.issue("operator").cert_file.parent
    where = ("--enrollment", f"localhost:{running.enrollment_port}", "--certs", str(certs))
    return await run_command(["import-statement", *map(str, arguments), "--date", DAY, *where])


def write(path: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8") -> Path:
    """A file with a header."""
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return path


def payment_row(payment: platform_pb.Payment, yuan: str = "70.00") -> list[str]:
    """A payment as a file has it."""
    at = f"{DAY} 12:00:00"
    return [at, "缴款", payment.payment_id, "", payment.order_id, yuan]


def stranger(number: int, yuan: str = "0.01") -> list[str]:
    """A payment of an order that nobody knows."""
    return [f"{DAY}T09:00:00+08:00", "payment", f"P{number}", "", new_id(), yuan]


async def test_a_file_is_brought_once(running: Installation, tmp_path: Path) -> None:
    """Tried, brought, brought again; another file takes its place only when that is asked for."""
    paid = await pay(running, await payment_code(running, 1, await hold(running, 1)))
    await until_state(running, 1, "CONFIRMED")
    await running.platform.stop()
    await running.move_clock(AT_NIGHT)
    rows = [payment_row(paid), [], *(stranger(number) for number in range(450))]
    path = write(tmp_path / "20220228.csv", rows, "gb18030")
    code, said = await bring(running, path, "--dry-run")
    assert (code, said.splitlines()[-1]) == (
        0,
        "nothing was entered: 451 payments, 0 refunds could be",
    )
    for _ in range(2):
        code, said = await bring(running, path)
        assert code == 0, said
        assert "451 payments, 0 refunds: matched 1, differences 450" in said
    (statement,) = await statements(running)
    assert statement.totals.payments_fen == 7000 + 450
    assert (statement.source_name, statement.last_line) == ("20220228.csv", 453)
    other = write(tmp_path / "other.csv", [payment_row(paid)])
    code, said = await bring(running, other)
    assert code == 1
    assert "20220228.csv" in said
    code, said = await bring(running, other, "--replace")
    assert code == 0, said
    assert "1 payments, 0 refunds: matched 1" in said


async def test_every_bad_row_is_told_and_none_is_entered(
    running: Installation, tmp_path: Path
) -> None:
    """With one bad row nothing counts; the report has all of them, by line."""
    refund = [f"{DAY} 10:00:00", "退款", "P1", "", new_id(), "1"]
    bad = {
        2: ["yesterday", "缴款", "P1", "", new_id(), "1"],
        3: [f"{DAY} 10:00:00", "转账", "P1", "", new_id(), "1"],
        4: [f"{DAY} 10:00:00", "缴款", "P1", "", new_id(), "1.001"],
        5: [f"{DAY} 10:00:00", "缴款", "", "", "x", "0"],
        6: refund,
        7: ["too", "few"],
        9: stranger(8),
    }
    rows = [*list(bad.values())[:6], stranger(8), bad[9]]
    path = write(tmp_path / "bad.csv", rows)
    code, said = await bring(running, path)
    assert code == 3, said
    report = path.with_suffix(".problems.csv").read_text(encoding="utf-8-sig")
    assert dict(list(csv.reader(report.splitlines()))[1:]) == {
        "2": "时间应形如2022-02-28 09:00:00",
        "3": "类型应为缴款或退款",
        "4": "金额应为元，至多两位小数",
        "5": "缴款流水号长度不能少于1个字符；订单号必须是UUID；金额必须大于0",
        "6": "退款流水号长度不能少于1个字符",
        "7": "列数与表头不符",
        "9": "流水号重复",
    }
    assert await statements(running) == []
    await running.platform.stop()
    await running.move_clock(AT_NIGHT)
    tomorrow = ["2022-03-02 10:00:00", *stranger(2)[1:]]
    path = write(tmp_path / "tomorrow.csv", [stranger(1), tomorrow])
    for arguments in (["--dry-run"], []):
        code, said = await bring(running, path, *arguments)
        assert code == 3, said
        report = path.with_suffix(".problems.csv").read_text(encoding="utf-8-sig")
        assert report.splitlines()[1:] == ["3,时间不在对账单当日"]
    (statement,) = await statements(running)
    assert statement.state == st.STATEMENT_STATE_REFUSED
    nothing = write(tmp_path / "columns.csv", [])
    nothing.write_text("类型,金额\n", encoding="utf-8")
    code, said = await bring(running, nothing)
    assert code == 1
    assert "columns unknown: 金额; missing: payment_id, order_id, amount, time" in said
