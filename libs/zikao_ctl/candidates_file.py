"""The CSV file of older candidates (`zikao import-candidates`): read, and told what is no row.

UTF-8 with or without a mark, or GB 18030 as spreadsheets write it. The first line names the
columns, in English or Chinese and in any order. What a value may be is the service's to say:
what it cannot even be sent is a problem here.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zikao.registration.v1 import older_candidate_service_pb2 as older
from zikao.registration.v1 import types_pb2 as types
from zikao_kit.validation import problems_in

from zikao_ctl.file_columns import FileColumnsError, columns_of

# Column -> its name in Chinese. A value may be empty: whether it should be is not said here.
COLUMNS = {
    "ticket_number": "准考证号",
    "document_type": "证件类型",
    "document_number": "证件号码",
    "name": "姓名",
    "sex": "性别",
    "county_code": "区县代码",
    "track": "专业类别",
    "major_code": "专业代码",
    "mobile": "手机号码",
    "photo": "照片",
    "has_account": "已有账号",
}
OPTIONAL_COLUMNS = frozenset({"mobile", "photo", "has_account"})
_TEXT_COLUMNS = ("ticket_number", "document_number", "name", "county_code", "major_code", "mobile")
_YES = frozenset({"是", "有", "1", "true", "yes", "y"})

_DOCUMENT_TYPES_ZH = {
    "居民身份证": types.DOCUMENT_TYPE_RESIDENT_ID,
    "身份证": types.DOCUMENT_TYPE_RESIDENT_ID,
    "港澳台居民居住证": types.DOCUMENT_TYPE_HMT_RESIDENCE_PERMIT,
    "港澳居民来往内地通行证": types.DOCUMENT_TYPE_HM_TRAVEL_PERMIT,
    "台湾居民来往大陆通行证": types.DOCUMENT_TYPE_TAIWAN_TRAVEL_PERMIT,
    "外国人永久居留身份证": types.DOCUMENT_TYPE_FOREIGN_PERMANENT_RESIDENT,
}
_SEXES_ZH = {"男": types.SEX_MALE, "女": types.SEX_FEMALE}
_TRACKS_ZH = {
    "面向社会开考专业": types.TRACK_SOCIAL,
    "面向社会": types.TRACK_SOCIAL,
    "应用型专业": types.TRACK_APPLIED,
    "应用型": types.TRACK_APPLIED,
}


class CandidatesFileError(Exception):
    """The file cannot be read as candidates; the text names it and says why."""


@dataclass(frozen=True)
class UnsentRow:
    """A line that is no row, with what is wrong in Chinese."""

    line: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class CandidatesFile:
    """A file that has been read; `digest` is equal for equal rows and photos."""

    path: Path
    photos: Path | None
    digest: str
    columns: Sequence[str]
    lines: Sequence[tuple[int, list[str]]]

    def rows(self) -> Iterator[older.OlderCandidateRow | UnsentRow]:
        """Rows in order, with their photos."""
        return (self._row(line, values) for line, values in self.lines)

    def _row(self, line: int, values: list[str]) -> older.OlderCandidateRow | UnsentRow:
        if len(values) != len(self.columns):
            return UnsentRow(line, (f"应有{len(self.columns)}列，实有{len(values)}列",))
        row = dict(zip(self.columns, map(str.strip, values), strict=True))
        photo, missing = self._photo(row.get("photo", ""))
        message = older.OlderCandidateRow(line=line, photo_jpeg=photo, **_values(row))
        wrong = [f"{COLUMNS.get(p.field, '照片')}{p.description}" for p in problems_in(message)]
        problems = (*missing, *wrong)
        return UnsentRow(line, problems) if problems else message

    def _photo(self, name: str) -> tuple[bytes, Sequence[str]]:
        if not name:
            return b"", ()
        if self.photos is None:
            return b"", ("未指定照片目录",)
        try:
            return (self.photos / Path(name).name).read_bytes(), ()
        except OSError:
            return b"", ("照片文件不存在或无法读取",)


def read_candidates(path: Path, photos: Path | None = None) -> CandidatesFile:
    """Read a file; raises CandidatesFileError, OSError."""
    data = path.read_bytes()
    header, *lines = _numbered(path, _text(path, data)) or [(1, [])]
    columns = _columns(path, header[1])
    if not lines:
        raise CandidatesFileError(f"{path}: no rows")
    return CandidatesFile(path, photos, _digest(data, columns, lines, photos), columns, lines)


def _text(path: Path, data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise CandidatesFileError(f"{path}: neither UTF-8 nor GB 18030")


def _numbered(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Every record with the line that it begins in; empty ones are left out."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found, begins = [], 1
    try:
        for values in reader:
            if any(map(str.strip, values)):
                found.append((begins, values))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise CandidatesFileError(f"{path}: line {reader.line_num}: {error}") from error
    return found


def _columns(path: Path, header: Sequence[str]) -> list[str]:
    try:
        return columns_of(header, COLUMNS, OPTIONAL_COLUMNS)
    except FileColumnsError as error:
        raise CandidatesFileError(f"{path}: {error}") from error


def _digest(
    data: bytes, columns: Sequence[str], lines: Sequence[tuple[int, list[str]]], photos: Path | None
) -> str:
    """Of the file, and of the sizes and times of the photos that it names."""
    digest = hashlib.sha256(data)
    if photos is not None and "photo" in columns:
        place = columns.index("photo")
        for _, values in lines:
            digest.update(_photo_mark(photos, values[place] if len(values) > place else ""))
    return digest.hexdigest()


def _photo_mark(photos: Path, name: str) -> bytes:
    try:
        found = (photos / Path(name.strip()).name).stat()
    except OSError:
        return b"-"
    return f"{found.st_size}:{found.st_mtime_ns}".encode()


def _values(row: Mapping[str, str]) -> dict[str, Any]:
    """The message's fields; what is not understood is unspecified, and the service says so."""
    values: dict[str, Any] = {name: row.get(name, "") for name in _TEXT_COLUMNS}
    values["document_type"] = _enum(
        types.DocumentType, "DOCUMENT_TYPE_", _DOCUMENT_TYPES_ZH, row["document_type"]
    )
    values["sex"] = _enum(types.Sex, "SEX_", _SEXES_ZH, row["sex"])
    values["track"] = _enum(types.Track, "TRACK_", _TRACKS_ZH, row["track"])
    values["has_account"] = row.get("has_account", "").lower() in _YES
    return values


def _enum(kind: Any, prefix: str, chinese: Mapping[str, int], text: str) -> int:
    number: int = chinese.get(text) or dict(kind.items()).get(prefix + text.upper(), 0)
    return number
