"""What changes when a session is applied again, and what may not (DOMAIN section 8)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from zikao_kit.errors import SESSION_CHANGE_REFUSED, DomainError

from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import USE_NAMES, RoomUse
from zikao_tickets.domain.session import Notice, RoomKey, Session, Site, Slot

MAX_NAMED = 5
YES_OR_NO = {True: "是", False: "否"}
LAYOUT_NAMES = {
    Layout.SNAKE: "",
    Layout.SNAKE_ROWS: "，逐行蛇形编号",
    Layout.ROWS: "，逐行编号",
}


def settled(before: Iterable[Site], after: Iterable[Site]) -> list[Site]:
    """What rooms are for, where `after` does not say: what they are for by now, else normal."""
    uses = {(site.code, room.code): room.use for site in before for room in site.rooms}
    return [
        replace(
            site,
            rooms=tuple(
                replace(room, use=uses.get((site.code, room.code)) or RoomUse.NORMAL)
                if room.use is None
                else room
                for room in site.rooms
            ),
        )
        for site in after
    ]


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
        *_sites(sites_before, sites_after),
    ]


def require_harmless(
    before: Session | None,
    after: Session,
    sites_before: Sequence[Site],
    sites_after: Sequence[Site],
    *,
    courses_in_use: Collection[tuple[int, str]],
    seats_in_use: Mapping[RoomKey, int],
) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED naming what candidates would lose.

    `courses_in_use` are slot and course code of the sittings, `seats_in_use` the highest seat
    number given in each room.
    """
    losses = [
        *_lost_courses(after, courses_in_use),
        *_lost_seats(sites_before, sites_after, seats_in_use),
        *(_lost_notice(before.notice, after.notice) if before else ()),
    ]
    if losses:
        more = f"等共{len(losses)}项" if len(losses) > MAX_NAMED else ""
        raise DomainError(SESSION_CHANGE_REFUSED, detail="；".join(losses[:MAX_NAMED]) + more)


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
    return _replaced(labelled)


def _slots(before: Sequence[Slot], after: Sequence[Slot], zone: ZoneInfo) -> Iterator[str]:
    def times(slot: Slot) -> str:
        starts, ends = slot.starts_at.astimezone(zone), slot.ends_at.astimezone(zone)
        return f"{starts.isoformat(' ')}至{ends.isoformat(' ')}"

    old, new = ({slot.number: slot for slot in slots} for slots in (before, after))
    for number in sorted({*old, *new}):
        if number not in old:
            yield f"新增第{number}场：{times(new[number])}"
        elif number not in new:
            yield f"取消第{number}场"
        elif old[number] != new[number]:
            yield f"第{number}场时间由{times(old[number])}改为{times(new[number])}"


def _courses(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    for code in sorted({*before, *after}):
        if code not in before:
            yield f"新增课程{code}{after[code]}"
        elif code not in after:
            yield f"取消课程{code}{before[code]}"
        else:
            yield from _replaced([(f"课程{code}名称", before[code], after[code])])


def _sites(before: Sequence[Site], after: Sequence[Site]) -> Iterator[str]:
    old, new = ({site.code: site for site in sites} for sites in (before, after))
    yield from (f"新增考点{code}{site.name}" for code, site in new.items() if code not in old)
    yield from (f"取消考点{code}{site.name}" for code, site in old.items() if code not in new)
    for code in new:
        if code in old and old[code] != new[code]:
            yield from _site(old[code], new[code])
    yield from _order("考点", list(old), list(new))


def _site(old: Site, new: Site) -> Iterator[str]:
    label = f"考点{new.code}"
    labelled = (
        (f"{label}名称", old.name, new.name),
        (f"{label}地址", old.address, new.address),
        (f"{label}所属区县", old.county_code, new.county_code),
        (f"{label}所属区县名称", old.county_name, new.county_name),
    )
    yield from _replaced(labelled)
    rooms_before, rooms_after = ({room.code: room for room in site.rooms} for site in (old, new))
    for code, room in rooms_after.items():
        if code not in rooms_before:
            yield f"新增{label}考场{code}（{_size(room)}）"
        else:
            yield from _room(f"{label}考场{code}", rooms_before[code], room)
    yield from (f"取消{label}考场{code}" for code in rooms_before if code not in rooms_after)
    yield from _order(f"{label}考场", list(rooms_before), list(rooms_after))


def _room(label: str, old: RoomPlan, new: RoomPlan) -> Iterator[str]:
    yield from _replaced([(label, _size(old), _size(new)), (f"{label}用途", _use(old), _use(new))])
    if old.layout is new.layout is Layout.CUSTOM and old.numbering != new.numbering:
        yield f"{label}座位编号已更改"


def _size(room: RoomPlan) -> str:
    named = LAYOUT_NAMES.get(room.layout, f"，自定义编号{room.capacity}座")
    seats = "、".join(map(str, sorted(room.accessible)))
    return f"{room.columns}列{room.rows}行{named}" + (f"，无障碍座位{seats}号" if seats else "")


def _use(room: RoomPlan) -> str:
    return USE_NAMES[room.use or RoomUse.NORMAL]


def _order(label: str, before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    """The first place at which what stays is filled in another order."""
    kept = {*before} & {*after}
    old, new = ([code for code in codes if code in kept] for codes in (before, after))
    for place, (was, becomes) in enumerate(zip(old, new, strict=True), start=1):
        if was != becomes:
            yield f"{label}使用顺序自第{place}个起变更，该位由{was}改为{becomes}"
            return


def _replaced(labelled: Collection[tuple[str, str, str]]) -> Iterator[str]:
    return (f"{label}由{old}改为{new}" for label, old, new in labelled if old != new)


def _lost_courses(after: Session, in_use: Collection[tuple[int, str]]) -> Iterator[str]:
    slots = {slot.number for slot in after.slots}
    for slot in sorted({slot for slot, _ in in_use} - slots):
        yield f"第{slot}场已有考生报考，不能取消"
    for code in sorted({code for _, code in in_use} - after.courses.keys()):
        yield f"课程{code}已有考生报考，不能取消"


def _lost_seats(
    before: Sequence[Site], after: Sequence[Site], in_use: Mapping[RoomKey, int]
) -> Iterator[str]:
    old_rooms, new_rooms = map(_rooms, (before, after))
    old, new = ({site.code: site.county_code for site in sites} for sites in (before, after))
    for key, highest in sorted(in_use.items()):
        was, becomes, place = old_rooms.get(key), new_rooms.get(key), f"考点{key[0]}考场{key[1]}"
        if becomes is None:
            yield f"{place}已安排座位至{highest}号，不能取消"
        elif becomes.capacity < highest:
            yield f"{place}已安排座位至{highest}号，不能减至{becomes.capacity}个"
        elif was is not None and _use(was) != _use(becomes):
            yield f"{place}已安排座位，用途不能由{_use(was)}改为{_use(becomes)}"
    for site in sorted({site for site, _ in in_use if site in new}):
        if new[site] != old[site]:
            yield f"考点{site}已安排座位，所属区县不能由{old[site]}改为{new[site]}"


def _rooms(sites: Iterable[Site]) -> dict[RoomKey, RoomPlan]:
    return {(site.code, room.code): room for site in sites for room in site.rooms}


def _lost_notice(before: Notice, after: Notice) -> Iterator[str]:
    if before.version > after.version:
        yield f"考试须知版本不能由{before.version}降为{after.version}"
    elif before.version == after.version and before != after:
        yield f"考试须知第{before.version}版的内容不能更改，须用新的版本号"
