"""CSV that offices open in a spreadsheet: UTF-8 with its mark, and no cell that is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

BYTE_ORDER_MARK = "\ufeff"
# A cell that begins so is computed by a spreadsheet when it is opened, whoever wrote it; some take
# the full-width ones of Chinese keyboards for the others.
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | None


def csv_header(names: Sequence[str]) -> bytes:
    """The first line of a file, after the mark that says that it is UTF-8."""
    return BYTE_ORDER_MARK.encode() + csv_rows([names])


def csv_rows(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Lines; None is an empty cell. Text that a spreadsheet would compute gets an apostrophe."""
    text = io.StringIO()
    csv.writer(text).writerows([_harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def yuan(fen: int | None) -> str:
    """Fen as yuan, exactly: 3500 is "35.00", None is empty."""
    return "" if fen is None else f"{fen // 100}.{fen % 100:02}"


def _harmless(cell: Cell) -> Cell:
    if isinstance(cell, str) and cell.startswith(_FORMULA_BEGINS):
        return f"'{cell}"
    return cell
