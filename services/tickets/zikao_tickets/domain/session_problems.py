"""What contradicts itself in a session file, whatever was applied before."""

from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from zikao_kit.errors import FieldProblem

from zikao_tickets.domain.session import Session, Site
from zikao_tickets.domain.site_problems import (
    SiteProblem,
    repeated,
    site_problems,
    size_problems,
)


def session_problems(
    session: Session,
    sites: Sequence[Site],
    course_codes: Sequence[str],
    unprintable: Sequence[SiteProblem] = (),
) -> list[FieldProblem]:
    """Everything that is wrong with a session; empty when nothing is.

    `course_codes` are those of the file: the session's mapping would hide a repetition.
    `unprintable` is what of the sites no ticket could show.
    """
    return [
        *_setting_problems(session),
        *_course_problems(course_codes),
        *_site_problems(sites, [*site_problems(sites), *size_problems(sites, sites), *unprintable]),
    ]


def _setting_problems(session: Session) -> Iterable[FieldProblem]:
    if not _is_time_zone(session.time_zone):
        yield FieldProblem("session.time_zone", f"时区{session.time_zone}不存在")
    if session.printing_opens_at >= session.printing_closes_at:
        yield FieldProblem("session.printing_closes_at", "准考证打印结束时间须晚于开始时间")
    for slot in session.slots:
        if slot.starts_at >= slot.ends_at:
            yield FieldProblem("session.slots", f"第{slot.number}场结束时间须晚于开始时间")
    for number in repeated(slot.number for slot in session.slots):
        yield FieldProblem("session.slots", f"第{number}场重复")


def _course_problems(codes: Sequence[str]) -> Iterable[FieldProblem]:
    for code in repeated(codes):
        yield FieldProblem("session.courses", f"课程{code}重复")


def _site_problems(
    sites: Sequence[Site], problems: Sequence[SiteProblem]
) -> Iterable[FieldProblem]:
    for problem in sorted(problems, key=lambda problem: problem.site):
        code = sites[problem.site].code
        if problem.room_code:
            place = f"考点{code}考场{problem.room_code}"
            yield FieldProblem("session.sites.rooms", f"{place}{problem.description}")
        else:
            yield FieldProblem("session.sites", f"考点{code}{problem.description}")


def _is_time_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a path, a directory
        return False
    return True
