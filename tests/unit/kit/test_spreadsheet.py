"""CSV for spreadsheets: its encoding is known, and opening it computes nothing."""

import csv
import io

import pytest
from zikao_kit.spreadsheet import csv_header, csv_rows, yuan


def read(data: bytes) -> list[list[str]]:
    """As a spreadsheet reads it."""
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_a_file_says_that_it_is_utf_8() -> None:
    """The mark stands once, before the header; rows of any text come back as they were."""
    rows = [["锦江区", 'a "quoted", cell', "two\nlines"], ["", "1", "2"]]
    data = csv_header(["区县", "甲", "乙"]) + csv_rows(rows[:1]) + csv_rows([[None, 1, 2]])
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.count(b"\xef\xbb\xbf") == 1
    assert read(data) == [["区县", "甲", "乙"], *rows]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """What a spreadsheet would compute is text; numbers stay numbers."""
    assert read(csv_rows([[text, -1]])) == [[f"'{text}", "-1"]]


@pytest.mark.parametrize(
    ("fen", "text"), [(0, "0.00"), (1, "0.01"), (3500, "35.00"), (None, ""), (10**15 + 1, None)]
)
def test_yuan_are_exact(fen: int | None, text: str | None) -> None:
    """Fen become yuan with two digits, however many there are."""
    assert yuan(fen) == ("10000000000000.01" if text is None else text)
