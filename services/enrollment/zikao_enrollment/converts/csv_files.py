"""Rosters and statistics as CSV: UTF-8 with a byte order mark, so that spreadsheets read it."""

from collections.abc import Iterable

from zikao_kit.china_time import CHINA
from zikao_kit.spreadsheet import csv_rows, yuan

from zikao_enrollment.domain.rosters import RosterEntry
from zikao_enrollment.domain.statistics import Figures, Row
from zikao_enrollment.domain.timetable import Session

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


def roster_csv(session: Session, entries: Iterable[RosterEntry]) -> bytes:
    """A line for each course of each candidate."""
    return csv_rows(
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
    return csv_rows(
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
            yuan(row.held_fen),
            yuan(row.confirmed_fen),
        )
        for row in rows
    )


def _county_name(session: Session, code: str) -> str:
    county = session.county_by_code.get(code)
    return county.name if county else ""


def _course_name(session: Session, code: str) -> str:
    course = session.course_by_code.get(code)
    return course.name if course else ""
