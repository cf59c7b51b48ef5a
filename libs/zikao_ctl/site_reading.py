"""Sites and rooms in the session file, and in files of their own (`zikao import-sites`).

A site says how many rooms of which size it has; a list of single rooms beside it says which are
numbered otherwise, have accessible seats, or are reserve or closed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from zikao_ctl.session_model import DEFAULT_COLUMNS, DEFAULT_ROWS, LAYOUTS, USES, Room, Site
from zikao_ctl.session_reading import Columns, Problems, Section

# Columns of the tables by their Chinese names.
_SITE_NAMES = {
    "考点代码": "code",
    "区县代码": "county_code",
    "区县名称": "county_name",
    "考点名称": "name",
    "地址": "address",
    "考场": "rooms",
}
_ROOM_NAMES = {
    "考点代码": "site",
    "考场号": "room",
    "列数": "columns",
    "行数": "rows",
    "编号方式": "layout",
    "无障碍座位": "accessible",
    "用途": "use",
}
_SITE_COLUMNS = Columns(_SITE_NAMES, ("code", "county_code", "name", "address"))
_ROOM_COLUMNS = Columns(_ROOM_NAMES, ("site", "room"))
_USES_ZH = {"正常": "normal", "备用": "reserve", "停用": "closed"}
_COUNTY_CODE = (6, r"[0-9]{6}", "a 6-digit county code")
_SITE_CODE = (12, r"[0-9A-Z]{1,12}", "1 to 12 digits or capital letters")
_ROOM_CODE = (6, r"[0-9]{1,6}", "1 to 6 digits")
_ROOM_GROUP = re.compile(r"([1-9][0-9]{0,3}) of ([1-9][0-9]?)x([1-9][0-9]?)")
_SEAT = re.compile(r"[0-9]{1,3}")
_MAX_ROOM_SIDE = 20
_MAX_ROOMS_PER_SITE = 1000
_MAX_LAYOUT_CHARACTERS = 2000


@dataclass(frozen=True)
class _SingleRoom:
    """A line of the list of rooms."""

    site_code: str
    room: Room


def read_sites(top: Section) -> tuple[Site, ...]:
    """The sites below `sites` with those rooms below `rooms` that are not of the usual kind.

    No sites where there is no such key.
    """
    if not top.has("sites"):
        return ()
    lines = top.each("rooms", _read_single_room, _ROOM_COLUMNS) if top.has("rooms") else ()
    singles = _by_site(lines, top.problems)
    sites = top.each("sites", lambda section: _read_site(section, singles), _SITE_COLUMNS)
    for code in singles.keys() - {site.code for site in sites}:
        for room in singles[code].values():
            top.problems.note(room.at, f"site {code} is not in sites")
    return sites


def _by_site(lines: Iterable[_SingleRoom], problems: Problems) -> dict[str, dict[str, Room]]:
    singles: dict[str, dict[str, Room]] = {}
    for line in lines:
        rooms = singles.setdefault(line.site_code, {})
        if line.room.code in rooms:
            problems.note(line.room.at, f"room {line.room.code} is there twice")
        rooms[line.room.code] = line.room
    return singles


def _read_site(section: Section, singles: Mapping[str, Mapping[str, Room]]) -> Site:
    code = section.text("code", *_SITE_CODE)
    own = singles.get(code, {})
    # All its rooms may be told one by one.
    groups = _read_groups(section) if section.has("rooms") or not own else ()
    rooms = {**{room.code: room for room in groups}, **own}
    if len(rooms) > _MAX_ROOMS_PER_SITE:
        section.problems.note(section.at("rooms"), f"must be at most {_MAX_ROOMS_PER_SITE}")
    return Site(
        code=code,
        county_code=section.text("county_code", *_COUNTY_CODE),
        name=section.text("name", 100),
        address=section.text("address", 200),
        rooms=tuple(rooms.values()),
        county_name=section.text("county_name", 50) if section.has("county_name") else "",
        at=section.path,
    )


def _read_groups(section: Section) -> tuple[Room, ...]:
    """Rooms numbered from 001, written ``40 of 5x6, 2 of 4x5`` (columns x rows)."""
    text = section.text("rooms", 200)
    groups = [_ROOM_GROUP.fullmatch(group) for group in text.split(", ")]
    sizes = [
        (int(group[2]), int(group[3])) for group in groups if group for _ in range(int(group[1]))
    ]
    sides = {side for size in sizes for side in size}
    if text and (None in groups or max(sides, default=0) > _MAX_ROOM_SIDE):
        what = f'must be like "40 of 5x6, 2 of 4x5", no side over {_MAX_ROOM_SIDE}'
        section.problems.note(section.at("rooms"), what)
    return tuple(
        Room(f"{number:03}", columns, rows, at=section.path)
        for number, (columns, rows) in enumerate(sizes, 1)
    )


def _read_single_room(section: Section) -> _SingleRoom:
    site_code = section.text("site", *_SITE_CODE)
    room = Room(
        code=section.text("room", *_ROOM_CODE),
        columns=section.integer("columns", 1, _MAX_ROOM_SIDE, absent=DEFAULT_COLUMNS),
        rows=section.integer("rows", 1, _MAX_ROOM_SIDE, absent=DEFAULT_ROWS),
        accessible=_read_accessible(section),
        use=_read_use(section),
        at=section.path,
    )
    return _SingleRoom(site_code, _with_layout(room, section))


def _with_layout(room: Room, section: Section) -> Room:
    """A layout's name, or every column's numbers from front to back: ``1 2 3/6 5 4/7 0 8``."""
    if not section.has("layout"):
        return room
    text = section.text("layout", _MAX_LAYOUT_CHARACTERS)
    if text in LAYOUTS:
        return replace(room, layout=text)
    columns = [column.split() for column in text.split("/")]
    whole = all(_SEAT.fullmatch(word) for column in columns for word in column)
    if not whole or [len(column) for column in columns] != [room.rows] * room.columns:
        what = f"must be {', '.join(LAYOUTS)}, or numbers of {room.rows} places in each of "
        section.problems.note(section.at("layout"), f"{what}{room.columns} columns: 1 2/4 3")
        return room
    numbering = tuple(int(word) for column in columns for word in column)
    return replace(room, layout="custom", numbering=numbering)


def _read_accessible(section: Section) -> tuple[int, ...]:
    words = section.words("accessible") if section.has("accessible") else ()
    if not all(_SEAT.fullmatch(word) for word in words) or len(set(words)) < len(words):
        section.problems.note(section.at("accessible"), "must be numbers of seats, each once")
        return ()
    return tuple(map(int, words))


def _read_use(section: Section) -> str:
    if not section.has("use"):
        return ""
    text = section.text("use", 10)
    use = _USES_ZH.get(text, text)
    if text and use not in USES:
        section.problems.note(section.at("use"), f"must be {', '.join((*USES, *_USES_ZH))}")
        return ""
    return use


def by_place(sites: Iterable[Site]) -> Mapping[tuple[int, str], str]:
    """Where in the files a site (by its place, room "") and each of its rooms stand."""
    places = {(number, ""): site.at for number, site in enumerate(sites)}
    rooms = {
        (number, room.code): room.at for number, site in enumerate(sites) for room in site.rooms
    }
    return places | rooms
