"""The CSV file of a payment platform's daily statement (`zikao import-statement`).

It is read twice: once to see that all of it is right, once to send it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao_kit.convert import time_to_pb

from zikao_ctl.csv_table import BadRow, CsvTable, moment_of, require_cells, require_sendable

# Column -> its name in Chinese.
COLUMNS = {
    "kind": "类型",
    "payment_id": "缴款流水号",
    "refund_id": "退款流水号",
    "order_id": "订单号",
    "payment_code": "缴款码",
    "amount": "金额（元）",
    "time": "时间",
}
OPTIONAL_COLUMNS = frozenset({"refund_id", "payment_code"})
_KINDS = {"缴款": "payment", "payment": "payment", "退款": "refund", "refund": "refund"}
# What the contract's fields are called in a file.
_FIELDS_ZH = {
    "payment_id": "缴款流水号",
    "refund_id": "退款流水号",
    "order_id": "订单号",
    "amount_fen": "金额",
    "payment_code": "缴款码",
}
_YUAN = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?")


@dataclass
class CheckedStatement:
    """What a file holds: problems by line, and what its good lines add up to.

    `digest` is equal for equal files.
    """

    digest: str = ""
    totals: pb.StatementTotals = field(default_factory=pb.StatementTotals)
    problems: dict[int, list[str]] = field(default_factory=dict)

    def add(self, line: pb.StatementLine) -> None:
        """Count a line."""
        if line.HasField("payment"):
            self.totals.payments += 1
            self.totals.payments_fen += line.payment.amount_fen
        else:
            self.totals.refunds += 1
            self.totals.refunds_fen += line.refund.amount_fen


class StatementFile:
    """A file whose times without an offset are of `zone`."""

    def __init__(self, path: Path, zone: ZoneInfo) -> None:
        self._table = CsvTable(path, COLUMNS, OPTIONAL_COLUMNS)
        self._zone = zone

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._table.path

    def check(self) -> CheckedStatement:
        """Look at every line; raises TableError for a file that is none, OSError."""
        checked = CheckedStatement(_digest(self.path))
        seen: set[str] = set()
        for number, row in self._table.rows():
            try:
                line = self._line(number, row)
                require_sendable(line, _FIELDS_ZH)
            except BadRow as bad:
                checked.problems[number] = [str(bad)]
                continue
            subject = f"{line.refund.refund_id} {line.payment.payment_id}"
            if subject in seen:
                checked.problems[number] = ["流水号重复"]
            seen.add(subject)
            checked.add(line)
        return checked

    def lines(self) -> Iterator[pb.StatementLine]:
        """Every line of a file in which all were right."""
        return (self._line(number, row) for number, row in self._table.rows())

    def _line(self, number: int, cells: Mapping[str, str] | None) -> pb.StatementLine:
        row = require_cells(cells)
        kind = _KINDS.get(row["kind"])
        if kind is None:
            raise BadRow("类型应为缴款或退款")
        line = pb.StatementLine(line=number, payment_code=row.get("payment_code", ""))
        amount_fen, moved_at = _fen(row["amount"]), time_to_pb(moment_of(row["time"], self._zone))
        if kind == "payment":
            line.payment.payment_id = row["payment_id"]
            line.payment.order_id = row["order_id"]
            line.payment.amount_fen = amount_fen
            line.payment.paid_at.CopyFrom(moved_at)
        else:
            line.refund.refund_id = row.get("refund_id", "")
            line.refund.payment_id = row["payment_id"]
            line.refund.order_id = row["order_id"]
            line.refund.amount_fen = amount_fen
            line.refund.refunded_at.CopyFrom(moved_at)
        return line


def _fen(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise BadRow("金额应为元，至多两位小数")
    whole, part = found.groups()
    return int(whole) * 100 + int((part or "").ljust(2, "0"))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
