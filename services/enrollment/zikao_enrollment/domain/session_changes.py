"""What changes when a session is applied again, and what may not (DOMAIN section 8)."""

from collections.abc import Collection, Iterator, Mapping
from datetime import timedelta

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.timetable import Session

MAX_NAMED = 5


def changes_between(before: Session | None, after: Session) -> list[str]:
    """One Chinese sentence a change; empty when there is none."""
    if before is None:
        seats = sum(sum(county.seats) for county in after.counties.values())
        return [
            f"新增考次{after.code}：场次{len(after.slots)}个、课程{len(after.courses)}门、"
            f"区县{len(after.counties)}个、考位{seats}个"
        ]
    return [
        *_settings(before, after),
        *_windows(before, after),
        *_slots(before, after),
        *_courses(before, after),
        *_counties(before, after),
    ]


def require_harmless(
    after: Session, seats: Mapping[SeatKey, SeatCount], course_uses: Collection[tuple[str, int]]
) -> None:
    """Raise SESSION_CHANGE_REFUSED naming what candidates would lose.

    `course_uses` are the (course code, slot) in which somebody sits.
    """
    losses = [*_lost_seats(after, seats), *_lost_courses(after, course_uses)]
    if losses:
        more = f"等共{len(losses)}项" if len(losses) > MAX_NAMED else ""
        detail = "；".join(losses[:MAX_NAMED]) + more
        raise DomainError("SESSION_CHANGE_REFUSED", detail=detail)


def _lost_seats(after: Session, seats: Mapping[SeatKey, SeatCount]) -> Iterator[str]:
    capacities = after.capacities()
    for key, count in sorted(seats.items()):
        capacity = capacities.get(key, 0)
        if count.used > capacity:
            yield (
                f"区县{key.county_code}第{key.slot}场已用考位{count.used}个，不能减至{capacity}个"
            )


def _lost_courses(after: Session, course_uses: Collection[tuple[str, int]]) -> Iterator[str]:
    for code, slot in sorted(course_uses):
        course = after.courses.get(code)
        if course is None:
            yield f"课程{code}已有考生报考，不能取消"
        elif course.slot != slot:
            yield f"课程{code}已有考生报考，不能由第{slot}场改到第{course.slot}场"


def _settings(before: Session, after: Session) -> Iterator[str]:
    labelled = (
        ("考次名称", before.name, after.name),
        ("每门课程考试费（分）", before.fee_fen, after.fee_fen),
        ("最多报考门数", before.max_courses, after.max_courses),
        ("占位时长（分钟）", _minutes(before.hold), _minutes(after.hold)),
    )
    for label, old, new in labelled:
        if old != new:
            yield f"{label}由{old}改为{new}"


def _windows(before: Session, after: Session) -> Iterator[str]:
    for track in sorted({*before.windows, *after.windows}):
        old, new = before.windows.get(track), after.windows.get(track)
        if old != new:
            times = f"{new.opens_at.isoformat()}至{new.closes_at.isoformat()}" if new else "无"
            yield f"报考时段（{track}）改为{times}"


def _slots(before: Session, after: Session) -> Iterator[str]:
    if before.slots != after.slots:
        yield f"场次安排有变（共{len(after.slots)}个场次）"


def _courses(before: Session, after: Session) -> Iterator[str]:
    for code in sorted({*before.courses, *after.courses}):
        old, new = before.courses.get(code), after.courses.get(code)
        if old is None and new is not None:
            yield f"新增课程{code}{new.name}"
        elif new is None and old is not None:
            yield f"取消课程{code}{old.name}"
        elif old != new:
            yield f"课程{code}的名称、场次或专业类别有变"


def _counties(before: Session, after: Session) -> Iterator[str]:
    for code in sorted({*before.counties, *after.counties}):
        old, new = before.counties.get(code), after.counties.get(code)
        if old is None and new is not None:
            yield f"新增区县{code}{new.name}"
        elif new is None and old is not None:
            yield f"取消区县{code}{old.name}"
        elif old is not None and new is not None and old != new:
            yield f"区县{code}{new.name}考位由{_seats(old.seats)}改为{_seats(new.seats)}"


def _seats(seats: tuple[int, ...]) -> str:
    return "/".join(map(str, seats))


def _minutes(hold: timedelta) -> float:
    return round(hold.total_seconds() / 60, 2)
