"""What changes when sites are given again, and what may not (DOMAIN section 5)."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from zikao_kit.errors import SESSION_CHANGE_REFUSED, DomainError, FieldProblem

from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import USE_NAMES, RoomUse
from zikao_tickets.domain.session import RoomKey, Site
from zikao_tickets.domain.site_problems import NOT_GIVEN, SiteProblem

MAX_NAMED = 5
MAX_LINES = 2000
SEATS_ADVICE = "先停用有关考场，重新编排并发布后方可更改"
"""What an office can do: whoever sits there gets another seat, by a new version of the ticket."""
TEXTS_ADVICE = "请以“更正考点”办理，有关准考证随之换发新版"
"""What an office can do about a name or an address."""
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


def changed_sites(before: Iterable[Site], after: Iterable[Site]) -> set[str]:
    """Codes of those that go, or become something else: at the others nobody loses anything."""
    kept = {site.code: site for site in after}
    return {site.code for site in before if kept.get(site.code) != site}


class Loss(NamedTuple):
    """What people with seats would lose at a site or, where there is one, in a room of it."""

    site_code: str
    room_code: str
    description: str
    """What must not be, in Chinese, after the site's and the room's code."""
    advice: str = SEATS_ADVICE

    def __str__(self) -> str:
        """A whole sentence."""
        room = f"考场{self.room_code}" if self.room_code else ""
        return f"考点{self.site_code}{room}{self.description}"


def lost_seats(
    before: Sequence[Site], after: Sequence[Site], in_use: Mapping[RoomKey, int]
) -> Iterator[Loss]:
    """What people with seats would lose, and what of their tickets would say something else.

    `in_use` is the highest seat number given in each room. Name and address of a site, its county
    and how seats are numbered stand on tickets, which change by a new version alone.
    """
    old_rooms, new_rooms = map(_rooms, (before, after))
    for key, highest in sorted(in_use.items()):
        yield from (
            Loss(*key, problem)
            for problem in _lost_in_room(old_rooms.get(key), new_rooms.get(key), highest)
        )
    old, new = ({site.code: site for site in sites} for sites in (before, after))
    for code in sorted({site for site, _ in in_use if site in old and site in new}):
        county = (
            ("所属区县", old[code].county_code, new[code].county_code),
            ("所属区县名称", old[code].county_name, new[code].county_name),
        )
        texts = (
            ("名称", old[code].name, new[code].name),
            ("地址", old[code].address, new[code].address),
        )
        for labelled, advice in ((county, SEATS_ADVICE), (texts, TEXTS_ADVICE)):
            for label, was, becomes in labelled:
                if was != becomes:
                    said = f"已安排座位，{label}不能由{was}改为{becomes}"
                    yield Loss(code, "", said, advice)


def _lost_in_room(was: RoomPlan | None, becomes: RoomPlan | None, highest: int) -> Iterator[str]:
    if becomes is None:
        yield f"已安排座位至{highest}号，不能取消"
    elif becomes.capacity < highest:
        yield f"已安排座位至{highest}号，不能减至{becomes.capacity}个"
    elif was is not None and was != becomes:
        if was.desks() != becomes.desks():
            yield f"已安排座位，座位不能由{_size(was)}改为{_size(becomes)}"
        if _use(was) != _use(becomes):
            yield f"已安排座位，用途不能由{_use(was)}改为{_use(becomes)}"


def _rooms(sites: Iterable[Site]) -> dict[RoomKey, RoomPlan]:
    return {(site.code, room.code): room for site in sites for room in site.rooms}


def loss_problems(given: Sequence[Site], losses: Iterable[Loss]) -> list[SiteProblem]:
    """The losses as problems of the sites that are given, in their order; others come last.

    A province can lose all its rooms at once: of very many the rest is counted.
    """
    places = {site.code: place for place, site in enumerate(given)}
    found = [
        SiteProblem(places[loss.site_code], loss.room_code, f"{loss.description}；{loss.advice}")
        if loss.site_code in places
        else SiteProblem(NOT_GIVEN, loss.room_code, f"{loss}；{loss.advice}")
        for loss in losses
    ]
    found.sort(key=lambda problem: (problem.site == NOT_GIVEN, problem.site))
    if (more := len(found) - MAX_LINES) > 0:
        found[MAX_LINES:] = [SiteProblem(NOT_GIVEN, "", f"另有{more}项同样的问题")]
    return found


def refuse_losses(losses: Sequence[Loss | str]) -> None:
    """Raise DomainError SESSION_CHANGE_REFUSED with all that would be lost, the first in words."""
    if not losses:
        return
    said = [str(loss) for loss in losses]
    more = f"等共{len(said)}项" if len(said) > MAX_NAMED else ""
    advices = dict.fromkeys(loss.advice for loss in losses if isinstance(loss, Loss))
    advice = f"（{'；'.join(advices)}）" if advices else ""
    fields = [FieldProblem("session", sentence) for sentence in said]
    detail = "；".join(said[:MAX_NAMED]) + more + advice
    raise DomainError(SESSION_CHANGE_REFUSED, fields=fields, detail=detail)
