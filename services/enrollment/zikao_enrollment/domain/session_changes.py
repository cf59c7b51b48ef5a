"""What changes when a session is applied again, and what may not (DOMAIN section 8)."""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from zikao_kit.errors import SESSION_CHANGE_REFUSED, DomainError

from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import SeatCount
from zikao_enrollment.domain.timetable import (
    TRACK_NAMES_ZH,
    County,
    Course,
    Session,
    Slot,
    WaitingRoom,
    Window,
)

MAX_NAMED = 5
V = TypeVar("V")


def changes_between(before: Session | None, after: Session) -> list[str]:
    """One Chinese sentence a change; empty when there is none."""
    if before is None:
        seats = sum(sum(county.seats) for county in after.counties)
        return [
            f"新增考次{after.code}：场次{len(after.slots)}个、课程{len(after.courses)}门、"
            f"区县{len(after.counties)}个、考位{seats}个"
        ]
    return [
        *_settings(before, after),
        *_compared(before.window_by_track, after.window_by_track, _window, _window_changes),
        *_compared(_slots(before), _slots(after), _slot, _slot_changes),
        *_compared(before.course_by_code, after.course_by_code, _course, _course_changes),
        *_compared(_counties(before), _counties(after), _county, _county_changes),
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
        raise DomainError(SESSION_CHANGE_REFUSED, detail=detail)


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
        course = after.course_by_code.get(code)
        if course is None:
            yield f"课程{code}已有考生报考，不能取消"
        elif course.slot != slot:
            yield f"课程{code}已有考生报考，不能由第{slot}场改为第{course.slot}场"


def _compared(
    before: Mapping[Any, V],
    after: Mapping[Any, V],
    name: Callable[[V], str],
    changes: Callable[[V, V], Iterator[str]],
) -> Iterator[str]:
    """What is new, what is gone, and `changes` of what is there still, by key."""
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old is not None and new is not None:
            yield from changes(old, new)
        elif new is not None:
            yield f"新增{name(new)}"
        elif old is not None:
            yield f"取消{name(old)}"


def _changed(label: str, old: V, new: V, text: Callable[[V], object] = str) -> Iterator[str]:
    if old != new:
        yield f"{label}由{text(old)}改为{text(new)}"


def _settings(before: Session, after: Session) -> Iterator[str]:
    yield from _changed("考次名称", before.name, after.name)
    yield from _changed("每门课程考试费（分）", before.fee_fen, after.fee_fen)
    yield from _changed("最多报考门数", before.max_courses, after.max_courses)
    yield from _changed("占位时长（分钟）", before.hold, after.hold, _minutes)
    old, new = before.policies, after.policies
    yield from _changed("一次报考", old.single_submission, new.single_submission, _yes_or_no)
    yield from _changed("双人复核", old.dual_control, new.dual_control, _yes_or_no)


def _window(window: Window) -> str:
    times = _times(window.opens_at, window.closes_at)
    room = f"，候场室（{_room(window.waiting_room)}）" if window.waiting_room else ""
    return f"{TRACK_NAMES_ZH[window.track]}报考时段（{times}）{room}"


def _window_changes(old: Window, new: Window) -> Iterator[str]:
    label = f"{TRACK_NAMES_ZH[new.track]}报考时段"
    before, after = (_times(window.opens_at, window.closes_at) for window in (old, new))
    yield from _changed(label, before, after)
    label = f"{TRACK_NAMES_ZH[new.track]}候场室"
    yield from _changed(label, old.waiting_room, new.waiting_room, _room)


def _room(room: WaitingRoom | None) -> str:
    if room is None:
        return "不设"
    most = f"每秒至多放行{room.max_per_second}人" if room.max_per_second else "放行人数不限"
    return (
        f"提前{_minutes(room.opens_before)}分钟开放、通行证{_minutes(room.pass_life)}分钟有效、"
        f"{most}、空闲{_minutes(room.quiet)}分钟后撤除"
    )


def _slots(session: Session) -> Mapping[int, Slot]:
    return {slot.number: slot for slot in session.slots}


def _slot(slot: Slot) -> str:
    return f"第{slot.number}场（{_times(slot.starts_at, slot.ends_at)}）"


def _slot_changes(old: Slot, new: Slot) -> Iterator[str]:
    label = f"第{new.number}场时间"
    yield from _changed(label, old, new, lambda it: _times(it.starts_at, it.ends_at))


def _course(course: Course) -> str:
    return f"课程{course.code}{course.name}"


def _course_changes(old: Course, new: Course) -> Iterator[str]:
    label = f"课程{new.code}"
    yield from _changed(f"{label}名称", old.name, new.name)
    yield from _changed(f"{label}场次", old.slot, new.slot)
    yield from _changed(f"{label}专业类别", old.tracks, new.tracks, _tracks)


def _counties(session: Session) -> Mapping[str, tuple[County, Mapping[int, int]]]:
    """Counties with their seats by slot number: a file may list slots in another order."""
    numbers = [slot.number for slot in session.slots]
    return {
        county.code: (county, dict(sorted(zip(numbers, county.seats, strict=True))))
        for county in session.counties
    }


def _county(county: tuple[County, Mapping[int, int]]) -> str:
    return f"区县{county[0].code}{county[0].name}"


def _county_changes(
    old: tuple[County, Mapping[int, int]], new: tuple[County, Mapping[int, int]]
) -> Iterator[str]:
    label = f"区县{new[0].code}"
    yield from _changed(f"{label}名称", old[0].name, new[0].name)
    yield from _changed(f"{label}考位", old[1], new[1], _seats)


def _seats(seats: Mapping[int, int]) -> str:
    return "/".join(map(str, seats.values()))


def _tracks(tracks: Collection[str]) -> str:
    return "、".join(name for track, name in TRACK_NAMES_ZH.items() if track in tracks)


def _times(start: datetime, end: datetime) -> str:
    return f"{start.isoformat()}至{end.isoformat()}"


def _yes_or_no(value: bool) -> str:
    return "是" if value else "否"


def _minutes(time: timedelta) -> str:
    return f"{time.total_seconds() / 60:.10g}"
