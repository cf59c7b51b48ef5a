"""What offices do here; how it waits for a second officer is the kit's part (DOMAIN section 4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit import office_acts
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.closings import Closed
from zikao_enrollment.domain.timetable import County, Session, Track

# All are in every timetable: some hundred KiB at most.
MAX_CLOSINGS = 500
SEATS_FIELD = "capacities.seats"


@dataclass(frozen=True)
class ChangeCapacities:
    """Seats as they should be; each key once."""

    seats: tuple[tuple[SeatKey, int], ...]
    name = "change_capacities"


@dataclass(frozen=True)
class CloseEnrollment:
    """No new submissions for a course ("" for all), and why."""

    course_code: str
    reason: str
    name = "close_enrollment"


@dataclass(frozen=True)
class OpenEnrollment:
    """They may come again."""

    course_code: str
    name = "open_enrollment"


@dataclass(frozen=True)
class RequestRefundAgain:
    """The platform is asked again for a refund that it has refused."""

    refund_id: UUID
    name = "request_refund_again"


@dataclass(frozen=True)
class SetAdmissionRate:
    """A track's waiting room lets in so many a second at most (0: as many as can be), or nobody."""

    track: Track
    per_second: int
    hold: bool
    name = "set_admission_rate"


SessionAct = ChangeCapacities | CloseEnrollment | OpenEnrollment
Act = SessionAct | RequestRefundAgain | SetAdmissionRate
OfficeAction = office_acts.OfficeAction[Act]
Proposal = office_acts.Proposal[Act]


class Effect(NamedTuple):
    """What an act makes of a session, and what it was and is, for the audit."""

    session: Session
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def effect_of(session: Session, county_prefix: str, act: SessionAct) -> Effect:
    """What an act in the counties whose code begins so would make of a session.

    Raises DomainError INVALID_REQUEST for what is not the session's, and for an opening of what
    is not closed.
    """
    match act:
        case ChangeCapacities(seats):
            return _with_capacities(session, county_prefix, seats)
        case CloseEnrollment(course_code, reason):
            return _closed(session, Closed(county_prefix, course_code), reason)
        case OpenEnrollment(course_code):
            return _opened(session, Closed(county_prefix, course_code))


def _with_capacities(
    session: Session, county_prefix: str, seats: Collection[tuple[SeatKey, int]]
) -> Effect:
    before = session.capacities()
    if problems := _seat_problems(before, county_prefix, [key for key, _ in seats]):
        raise DomainError(INVALID_REQUEST, fields=problems)
    wanted: dict[tuple[str, int], int] = dict(seats)
    after = {**before, **wanted}
    slots = [slot.number for slot in session.slots]
    counties = tuple(
        County(each.code, each.name, tuple(after[each.code, slot] for slot in slots))
        for each in session.counties
    )
    changed = [key for key in sorted(wanted) if before[key] != wanted[key]]
    return Effect(
        replace(session, counties=counties),
        {_text(key): before[key] for key in changed},
        {_text(key): wanted[key] for key in changed},
    )


def _seat_problems(
    known: Mapping[tuple[str, int], int], county_prefix: str, keys: Collection[SeatKey]
) -> list[FieldProblem]:
    problems = []
    seen: set[SeatKey] = set()
    for index, key in enumerate(keys):
        where, what = f"区县{key.county_code}第{key.slot}场", ""
        if not key.county_code.startswith(county_prefix):
            what = f"{where}不在所填区域内"
        elif key not in known:
            what = f"本次考试没有{where}"
        elif key in seen:
            what = f"{where}重复"
        if what:
            problems.append(FieldProblem(f"{SEATS_FIELD}[{index}]", what))
        seen.add(key)
    return problems


def _closed(session: Session, closed: Closed, reason: str) -> Effect:
    problems = []
    if not any(code.startswith(closed.county_prefix) for code in session.county_by_code):
        problems.append(FieldProblem("county_prefix", "本次考试没有该区域的区县"))
    if closed.course_code and closed.course_code not in session.course_by_code:
        problems.append(FieldProblem("course_code", "本次考试没有该课程"))
    if closed not in session.closings and len(session.closings) >= MAX_CLOSINGS:
        what = f"本次考试已有{MAX_CLOSINGS}项关闭，请先恢复或改为关闭更大区域"
        problems.append(FieldProblem("county_prefix", what))
    if problems:
        raise DomainError(INVALID_REQUEST, fields=problems)
    after = replace(session, closings={**session.closings, closed: reason})
    return Effect(after, _closing(session, closed), _closing(after, closed))


def _opened(session: Session, closed: Closed) -> Effect:
    if closed not in session.closings:
        what = f"课程{closed.course_code}" if closed.course_code else ""
        problem = FieldProblem("county_prefix", f"{what}没有在该区域关闭")
        raise DomainError(INVALID_REQUEST, fields=[problem])
    left = {key: reason for key, reason in session.closings.items() if key != closed}
    after = replace(session, closings=left)
    return Effect(after, _closing(session, closed), _closing(after, closed))


def _closing(session: Session, closed: Closed) -> Mapping[str, Any]:
    return {"course_code": closed.course_code, "reason": session.closings.get(closed)}


def _text(key: tuple[str, int]) -> str:
    return f"{key[0]}:{key[1]}"
