"""CSV files as offices and spreadsheets write them: UTF-8 with or without a mark, or GB 18030.

The first line names the columns, in English or Chinese and in any order. A file is read row by row,
any number of times, and never held.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from google.protobuf.message import Message
from zikao_kit.validation import problems_in

from zikao_ctl.file_columns import FileColumnsError, columns_of

_ENCODINGS = ("utf-8-sig", "gb18030")
_BLOCK_CHARACTERS = 1 << 20


class TableError(Exception):
    """The file is not such a table; the text names it and says why."""


class BadRow(Exception):  # noqa: N818 - says what is wrong
    """A row cannot be used: why, in Chinese."""


@dataclass(frozen=True)
class CsvTable:
    """A file with `columns` (column -> its name in Chinese), of which `optional` may be missing."""

    path: Path
    columns: Mapping[str, str]
    optional: Collection[str] = ()

    @cached_property
    def encoding(self) -> str:
        """What all of it can be read as; raises TableError, OSError."""
        for encoding in _ENCODINGS:
            try:
                with self.path.open(encoding=encoding) as file:
                    while file.read(_BLOCK_CHARACTERS):
                        pass
            except UnicodeDecodeError:
                continue
            return encoding
        raise TableError(f"{self.path}: neither UTF-8 nor GB 18030")

    def rows(self) -> Iterator[tuple[int, Mapping[str, str] | None]]:
        """Each row by column, with the line it begins in; None for too few or too many cells.

        Empty ones are left out. Raises TableError.
        """
        with self.path.open(encoding=self.encoding, newline="") as file:
            reader = csv.reader(file, strict=True)
            columns: Sequence[str] | None = None
            begins = 1
            try:
                for cells in reader:
                    number, begins = begins, reader.line_num + 1
                    values = [cell.strip() for cell in cells]
                    if columns is None:
                        columns = self._named(values)
                    elif any(values):
                        whole = len(values) == len(columns)
                        yield number, dict(zip(columns, values, strict=True)) if whole else None
            except csv.Error as error:
                raise TableError(f"{self.path}: line {reader.line_num}: {error}") from error
            if columns is None:
                raise TableError(f"{self.path}: no header")

    def _named(self, header: Sequence[str]) -> list[str]:
        try:
            return columns_of(header, self.columns, self.optional)
        except FileColumnsError as error:
            raise TableError(f"{self.path}: {error}") from error


def require_cells(row: Mapping[str, str] | None) -> Mapping[str, str]:
    """The row; raises BadRow for one whose cells are not those of the header."""
    if row is None:
        raise BadRow("列数与表头不符")
    return row


def moment_of(text: str, zone: ZoneInfo) -> datetime:
    """A time, of `zone` when it has no offset; raises BadRow."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise BadRow("时间应形如2022-02-28 09:00:00") from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def require_sendable(message: Message, names: Mapping[str, str]) -> None:
    """Raise BadRow naming all that the contract refuses; `names` has fields' names in Chinese."""
    if problems := problems_in(message):
        raise BadRow("；".join(f"{_last(p.field, names)}{p.description}" for p in problems))


def _last(path: str, names: Mapping[str, str]) -> str:
    name = path.rpartition(".")[2]
    return names.get(name, name)
