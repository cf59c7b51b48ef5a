"""Rosters and statistics as CSV: UTF-8 with a byte order mark, so that spreadsheets read it."""

import csv
import io
from codecs import BOM_UTF8
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from zikao_enrollment.domain.rosters import RosterEntry
from zikao_enrollment.domain.statistics import Figures, Row
from zikao_enrollment.domain.timetable import Session

CHINA = ZoneInfo("Asia/Shanghai")
# What a spreadsheet takes for the beginning of a formula, whoever has written it.
FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n")
ROSTER_HEADER = ("考次", "区县代码", "区县名称", "考生编号", "场次", "课程代码", "课程名称")
STATISTICS_HEADER = (
    "考次",
    "统计时间",
    "区县代码",
    "区县名称",
    "场次",
    "课程代码",
    "课程名称",
    "考位数",
    "考生数",
    "已缴费考生数",
    "占位科次",
    "已缴费科次",
    "占位金额（元）",
    "已缴费金额（元）",
)


def csv_beginning(header: Sequence[str]) -> bytes:
    """The first bytes of a file."""
    return BOM_UTF8 + _lines([header])


def roster_csv(session: Session, entries: Iterable[RosterEntry]) -> bytes:
    """A line for each course of each candidate."""
    return _lines(
        (
            session.code,
            entry.county_code,
            _county_name(session, entry.county_code),
            str(entry.candidate_id),
            course.slot,
            course.course_code,
            _course_name(session, course.course_code),
        )
        for entry in entries
        for course in entry.courses
    )


def statistics_csv(session: Session, figures: Figures, rows: Iterable[Row]) -> bytes:
    """A line for each row."""
    as_of = figures.as_of.astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S")
    return _lines(
        (
            session.code,
            as_of,
            row.group.county_code,
            _county_name(session, row.group.county_code),
            row.group.slot or "",
            row.group.course_code,
            _course_name(session, row.group.course_code),
            "" if row.group.course_code else row.capacity,
            row.candidates,
            row.confirmed_candidates,
            row.held,
            row.confirmed,
            _yuan(row.held_fen),
            _yuan(row.confirmed_fen),
        )
        for row in rows
    )


def _lines(rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([_plain(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _plain(value: object) -> object:
    if isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS):
        return f"'{value}"
    return value


def _county_name(session: Session, code: str) -> str:
    county = session.county_by_code.get(code)
    return county.name if county else ""


def _course_name(session: Session, code: str) -> str:
    course = session.course_by_code.get(code)
    return course.name if course else ""


def _yuan(fen: int) -> str:
    return f"{fen // 100}.{fen % 100:02}"
