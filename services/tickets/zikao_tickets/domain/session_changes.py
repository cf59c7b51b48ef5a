"""What changes when a session is applied again, and what may not (DOMAIN section 8)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from zoneinfo import ZoneInfo

from zikao_tickets.domain.session import Notice, RoomKey, Session, Site, Slot
from zikao_tickets.domain.site_changes import lost_seats, refuse_losses, replaced, site_changes

SlotCourse = tuple[int, str]

YES_OR_NO = {True: "是", False: "否"}


def changes_between(
    before: Session | None,
    after: Session,
    sites_before: Sequence[Site],
    sites_after: Sequence[Site],
) -> list[str]:
    """One Chinese sentence a change; empty when there is none. Times in the session's zone."""
    if before is None:
        rooms = sum(len(site.rooms) for site in sites_after)
        return [f"新增考次{after.code}：考点{len(sites_after)}个、考场{rooms}个"]
    zone = ZoneInfo(after.time_zone)
    return [
        *_settings(before, after, zone),
        *_slots(before.slots, after.slots, zone),
        *_courses(before.courses, after.courses),
        *site_changes(sites_before, sites_after),
    ]


def require_harmless(
    before: Session | None,
    after: Session,
    sites_before: Sequence[Site],
    sites_after: Sequence[Site],
    *,
    courses_in_use: Collection[SlotCourse],
    courses_seated: Collection[SlotCourse],
    seats_in_use: Mapping[RoomKey, int],
) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED naming what candidates would lose.

    `courses_in_use` are slot and course code of the sittings, `courses_seated` those of the seats
    that are in force or approved, `seats_in_use` is the highest seat number given in each room.
    """
    losses = [
        *_lost_courses(after, {*courses_in_use, *courses_seated}),
        *(_moved_slots(before, after, {slot for slot, _ in courses_seated}) if before else ()),
        *(_renamed(before, after, {code for _, code in courses_seated}) if before else ()),
        *lost_seats(sites_before, sites_after, seats_in_use),
        *(_lost_notice(before.notice, after.notice) if before else ()),
    ]
    refuse_losses(losses)


def _settings(before: Session, after: Session, zone: ZoneInfo) -> Iterator[str]:
    def moment(time: datetime) -> str:
        return time.astimezone(zone).isoformat(" ")

    labelled = (
        ("考次名称", before.name, after.name),
        ("时区", before.time_zone, after.time_zone),
        ("编排开始时间", moment(before.arrangements_open_at), moment(after.arrangements_open_at)),
        ("准考证打印开始时间", moment(before.printing_opens_at), moment(after.printing_opens_at)),
        ("准考证打印结束时间", moment(before.printing_closes_at), moment(after.printing_closes_at)),
        ("考试须知", f"第{before.notice.version}版", f"第{after.notice.version}版"),
        ("双人复核", YES_OR_NO[before.dual_control], YES_OR_NO[after.dual_control]),
    )
    return replaced(labelled)


def _slots(before: Sequence[Slot], after: Sequence[Slot], zone: ZoneInfo) -> Iterator[str]:
    old, new = ({slot.number: slot for slot in slots} for slots in (before, after))
    for number in sorted({*old, *new}):
        if number not in old:
            yield f"新增第{number}场：{_times(new[number], zone)}"
        elif number not in new:
            yield f"取消第{number}场"
        elif old[number] != new[number]:
            times = _times(old[number], zone), _times(new[number], zone)
            yield f"第{number}场时间由{times[0]}改为{times[1]}"


def _times(slot: Slot, zone: ZoneInfo) -> str:
    starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
    return f"{starts.isoformat(' ')}至{ends.isoformat(' ')}"


def _courses(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for code in sorted({*before, *after}):
        if code not in before:
            yield f"新增课程{code}{after[code]}"
        elif code not in after:
            yield f"取消课程{code}{before[code]}"
        else:
            yield from replaced([(f"课程{code}名称", before[code], after[code])])


def _lost_courses(after: Session, in_use: Collection[SlotCourse]) -> Iterator[str]:
    slots = {slot.number for slot in after.slots}
    for slot in sorted({slot for slot, _ in in_use} - slots):
        yield f"第{slot}场已有考生报考，不能取消"
    for code in sorted({code for _, code in in_use} - after.courses.keys()):
        yield f"课程{code}已有考生报考，不能取消"


def _moved_slots(before: Session, after: Session, seated: AbstractSet[int]) -> Iterator[str]:
    """Slots with seats whose times, as tickets show them, would be others."""
    old, new = (
        {slot.number: _times(slot, ZoneInfo(session.time_zone)) for slot in session.slots}
        for session in (before, after)
    )
    for number in sorted(seated & old.keys() & new.keys()):
        if old[number] != new[number]:
            yield (
                f"第{number}场已安排座位，时间不能由{old[number]}改为{new[number]}"
                "（考试改期须另设考次）"
            )


def _renamed(before: Session, after: Session, seated: AbstractSet[str]) -> Iterator[str]:
    """What tickets call the session, and courses with seats: a ticket's version fixes it."""
    if seated and before.name != after.name:
        yield f"准考证已发布，考次名称不能由{before.name}改为{after.name}"
    for code in sorted(seated & before.courses.keys() & after.courses.keys()):
        old, new = before.courses[code], after.courses[code]
        if old != new:
            said = f"课程{code}已安排座位，名称不能由{old}改为{new}"
            yield f"{said}（需要说明的，可写入新版考试须知）"


def _lost_notice(before: Notice, after: Notice) -> Iterator[str]:
    if before.version > after.version:
        yield f"考试须知版本不能由{before.version}降为{after.version}"
    elif before.version == after.version and before != after:
        yield f"考试须知第{before.version}版的内容不能更改，须用新的版本号"
