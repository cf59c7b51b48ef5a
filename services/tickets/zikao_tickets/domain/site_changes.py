"""What changes when sites are given again, and what may not (DOMAIN section 5)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from zikao_kit.errors import SESSION_CHANGE_REFUSED, DomainError

from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import USE_NAMES, RoomUse
from zikao_tickets.domain.session import RoomKey, Site

MAX_NAMED = 5
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


def site_changes(before: Sequence[Site], after: Sequence[Site]) -> Iterator[str]:
    """One Chinese sentence a change of sites and their rooms."""
    old, new = ({site.code: site for site in sites} for sites in (before, after))
    yield from (f"新增考点{code}{site.name}" for code, site in new.items() if code not in old)
    yield from (f"取消考点{code}{site.name}" for code, site in old.items() if code not in new)
    for code in new:
        if code in old and old[code] != new[code]:
            yield from _site(old[code], new[code])
    orders_before, orders_after = map(_orders, (before, after))
    for county, order in orders_after.items():
        yield from _order("考点", orders_before[county], order)


def _orders(sites: Iterable[Site]) -> defaultdict[str, list[str]]:
    """In which order the sites of each county are filled."""
    orders: defaultdict[str, list[str]] = defaultdict(list)
    for site in sites:
        orders[site.county_code].append(site.code)
    return orders


def _site(old: Site, new: Site) -> Iterator[str]:
    label = f"考点{new.code}"
    labelled = (
        (f"{label}名称", old.name, new.name),
        (f"{label}地址", old.address, new.address),
        (f"{label}所属区县", old.county_code, new.county_code),
        (f"{label}所属区县名称", old.county_name, new.county_name),
    )
    yield from replaced(labelled)
    rooms_before, rooms_after = ({room.code: room for room in site.rooms} for site in (old, new))
    for code, room in rooms_after.items():
        if code not in rooms_before:
            yield f"新增{label}考场{code}（{_size(room)}）"
        else:
            yield from _room(f"{label}考场{code}", rooms_before[code], room)
    yield from (f"取消{label}考场{code}" for code in rooms_before if code not in rooms_after)
    yield from _order(f"{label}考场", list(rooms_before), list(rooms_after))


def _room(label: str, old: RoomPlan, new: RoomPlan) -> Iterator[str]:
    yield from replaced([(label, _size(old), _size(new)), (f"{label}用途", _use(old), _use(new))])
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


def replaced(labelled: Collection[tuple[str, str, str]]) -> Iterator[str]:
    """What has changed of values that are named in Chinese: name, before, after."""
    return (f"{label}由{old}改为{new}" for label, old, new in labelled if old != new)


def lost_seats(
    before: Sequence[Site], after: Sequence[Site], in_use: Mapping[RoomKey, int]
) -> Iterator[str]:
    """What people with seats would lose; `in_use` is the highest seat number given in each room."""
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


def refuse_losses(losses: Sequence[str]) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED naming the first of what would be lost."""
    if losses:
        more = f"等共{len(losses)}项" if len(losses) > MAX_NAMED else ""
        raise DomainError(SESSION_CHANGE_REFUSED, detail="；".join(losses[:MAX_NAMED]) + more)
