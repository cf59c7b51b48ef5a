"""The file of older candidates, as offices and spreadsheets write it."""

from pathlib import Path

import pytest
from support.older_csv import HEADER, csv_document, csv_number, csv_row, write_csv
from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import types_pb2 as types
from zikao_ctl.candidates_file import (
    COLUMNS,
    CandidatesFileError,
    UnsentRow,
    read_candidates,
)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_both_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    """A spreadsheet's GB 18030 and UTF-8, with or without mark, give the same rows."""
    file = read_candidates(write_csv(tmp_path / "a.csv", 2, encoding=encoding))
    first, second = file.rows()
    assert isinstance(first, older.OlderCandidateRow)
    assert (first.line, first.ticket_number, first.name) == (2, csv_number(0), "赵一")
    assert first.document_number == csv_document(0)
    assert (first.document_type, first.sex) == (types.DOCUMENT_TYPE_RESIDENT_ID, types.SEX_MALE)
    assert isinstance(second, older.OlderCandidateRow)


def test_rare_characters_come_through(tmp_path: Path) -> None:
    """Private characters and those of every plane reach the service as they are in the file."""
    names = ["王\ue81e", "𬱖\U0002cc56\U00031350"]

    def make(number: int) -> list[str]:
        return [*csv_row(number)[:3], names[number], *csv_row(number)[4:]]

    for encoding in ("utf-8", "gb18030"):
        file = read_candidates(write_csv(tmp_path / "a.csv", 2, encoding=encoding, make=make))
        found = [row.name for row in file.rows() if isinstance(row, older.OlderCandidateRow)]
        assert found == names


def test_columns_may_be_chinese_and_in_any_order(tmp_path: Path) -> None:
    """Offices write their own language; optional columns may be missing."""
    optional = ("mobile", "photo", "has_account")
    wanted = [column for column in reversed(COLUMNS) if column not in optional]
    values = dict(zip(HEADER.split(","), csv_row(0), strict=True))
    path = tmp_path / "a.csv"
    lines = [
        [COLUMNS[column] for column in reversed(wanted)],
        [values[c] for c in reversed(wanted)],
    ]
    path.write_text("\n".join(map(",".join, lines)), encoding="utf-8")
    (row,) = read_candidates(path).rows()
    assert isinstance(row, older.OlderCandidateRow)
    assert (row.track, row.major_code, row.mobile) == (types.TRACK_SOCIAL, "W020119", "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "missing"),
        ("ticket_number\n1", "missing: document_type"),
        (HEADER.replace("mobile", "phone") + "\n" + ",".join(csv_row(0)), "unknown: phone"),
        (HEADER.replace("mobile", "name") + "\n" + ",".join(csv_row(0)), "twice: name"),
        (HEADER, "no rows"),
        (HEADER + '\n"open', "line"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """What would be entered wrongly is told before anything is sent."""
    path = tmp_path / "a.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CandidatesFileError, match=said):
        read_candidates(path)


def test_neither_encoding_is_refused(tmp_path: Path) -> None:
    """Bytes that are no text are not guessed at."""
    path = tmp_path / "a.csv"
    path.write_bytes(HEADER.encode() + b"\n\xff\xff\xff")
    with pytest.raises(CandidatesFileError, match="neither UTF-8 nor GB 18030"):
        read_candidates(path)


def test_what_cannot_be_sent_is_told_by_line(tmp_path: Path) -> None:
    """Short lines, endless values and missing photos are rows' problems, not the file's."""
    rows = [
        csv_row(0)[:5],
        [*csv_row(1)[:3], "王" * 200, *csv_row(1)[4:]],
        csv_row(2, photo="none.jpg"),
        ['王"', *csv_row(3)[1:]],
    ]
    path = write_csv(tmp_path / "a.csv", 4, make=lambda number: rows[number])
    unsent = [row for row in read_candidates(path, tmp_path).rows() if isinstance(row, UnsentRow)]
    assert [(row.line, len(row.problems)) for row in unsent] == [(2, 1), (3, 1), (4, 1)]
    assert unsent[1].problems[0].startswith("姓名")
    (without, *_) = [row for row in read_candidates(path).rows() if row.line == 4]
    assert isinstance(without, UnsentRow)
    assert without.problems == ("未指定照片目录",)


def test_photos_stay_in_their_folder(tmp_path: Path) -> None:
    """A name that leads out of the folder is looked for inside of it."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    path = write_csv(tmp_path / "a.csv", 1, make=lambda n: csv_row(n, photo="../secret.jpg"))
    (row,) = read_candidates(path, tmp_path / "photos").rows()
    assert isinstance(row, UnsentRow)


def test_other_rows_or_photos_are_another_import(tmp_path: Path) -> None:
    """The digest follows what is to be entered, and nothing else."""
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "a.jpg").write_bytes(b"1")
    path = write_csv(tmp_path / "a.csv", 2, make=lambda n: csv_row(n, photo="a.jpg"))
    first = read_candidates(path, photos).digest
    assert read_candidates(path, photos).digest == first
    (photos / "a.jpg").write_bytes(b"22")
    changed = read_candidates(path, photos).digest
    other = read_candidates(write_csv(tmp_path / "a.csv", 3), photos).digest
    assert len({first, changed, other}) == 3
