"""The CSV file of a payment platform's daily statement (`zikao import-statement`).

UTF-8 with or without a mark, or GB 18030 as spreadsheets write it. The first line names the
columns, in English or Chinese and in any order. It is read twice, never held: once to see that all
of it is right, once to send it.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from zikao.payment.v1 import payment_platform_service_pb2 as pb
from zikao_kit.convert import time_to_pb
from zikao_kit.validation import problems_in

from zikao_ctl.file_columns import FileColumnsError, columns_of

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
_ENCODINGS = ("utf-8-sig", "gb18030")
_BLOCK_CHARACTERS = 1 << 20


class StatementFileError(Exception):
    """The file cannot be read as a statement; the text names it and says why."""


class BadLine(Exception):  # noqa: N818 - says what is wrong
    """A row is no line of a statement: why, in Chinese."""


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
        """Raises StatementFileError, OSError."""
        self.path = path
        self._zone = zone
        self._encoding = _encoding_of(path)

    def check(self) -> CheckedStatement:
        """Look at every line; raises StatementFileError for a file that is none."""
        checked = CheckedStatement(_digest(self.path))
        seen: set[str] = set()
        for number, row in self._rows():
            try:
                line = self._line(number, row)
                _require_sendable(line)
            except BadLine as bad:
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
        return (self._line(number, row) for number, row in self._rows())

    def _rows(self) -> Iterator[tuple[int, Mapping[str, str] | None]]:
        """Each row by column, with the line it begins in; None for too few or too many cells."""
        with self.path.open(encoding=self._encoding, newline="") as file:
            reader = csv.reader(file, strict=True)
            columns: Sequence[str] | None = None
            begins = 1
            try:
                for cells in reader:
                    number, begins = begins, reader.line_num + 1
                    values = [cell.strip() for cell in cells]
                    if columns is None:
                        columns = _columns(self.path, values)
                    elif any(values):
                        whole = len(values) == len(columns)
                        row = dict(zip(columns, values, strict=True)) if whole else None
                        yield number, row
            except csv.Error as error:
                said = f"{self.path}: line {reader.line_num}: {error}"
                raise StatementFileError(said) from error
            if columns is None:
                raise StatementFileError(f"{self.path}: no header")

    def _line(self, number: int, row: Mapping[str, str] | None) -> pb.StatementLine:
        if row is None:
            raise BadLine("列数与表头不符")
        kind = _KINDS.get(row["kind"])
        if kind is None:
            raise BadLine("类型应为缴款或退款")
        line = pb.StatementLine(line=number, payment_code=row.get("payment_code", ""))
        amount_fen, moved_at = _fen(row["amount"]), time_to_pb(self._time(row["time"]))
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

    def _time(self, text: str) -> datetime:
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise BadLine("时间应形如2022-02-28 09:00:00") from None
        return at if at.tzinfo else at.replace(tzinfo=self._zone)


def _require_sendable(line: pb.StatementLine) -> None:
    if problems := problems_in(line):
        raise BadLine("；".join(_said(each.field, each.description) for each in problems))


def _said(name: str, description: str) -> str:
    last = name.rpartition(".")[2]
    return f"{_FIELDS_ZH.get(last, last)}{description}"


def _fen(text: str) -> int:
    found = _YUAN.fullmatch(text)
    if found is None:
        raise BadLine("金额应为元，至多两位小数")
    whole, part = found.groups()
    return int(whole) * 100 + int((part or "").ljust(2, "0"))


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    try:
        return columns_of(header, COLUMNS, OPTIONAL_COLUMNS)
    except FileColumnsError as error:
        raise StatementFileError(f"{path}: {error}") from error


def _encoding_of(path: Path) -> str:
    for encoding in _ENCODINGS:
        try:
            with path.open(encoding=encoding) as file:
                while file.read(_BLOCK_CHARACTERS):
                    pass
        except UnicodeDecodeError:
            continue
        return encoding
    raise StatementFileError(f"{path}: neither UTF-8 nor GB 18030")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
