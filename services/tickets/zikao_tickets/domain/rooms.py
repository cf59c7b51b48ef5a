"""Rooms as the arrangement sees them (DOMAIN section 5)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class RoomUse(StrEnum):
    """What a room may be used for; only late changes may use the reserve."""

    NORMAL = "normal"
    RESERVE = "reserve"
    CLOSED = "closed"


USE_NAMES = {RoomUse.NORMAL: "正常", RoomUse.RESERVE: "备用", RoomUse.CLOSED: "停用"}


@dataclass(frozen=True)
class Room:
    """A room of a site; `code` is the number on the door, `accessible` holds seat numbers."""

    site_code: str
    code: str
    capacity: int
    accessible: frozenset[int] = frozenset()
    use: RoomUse = RoomUse.NORMAL


class UsedRoom(NamedTuple):
    """What a room is for, why, and how many sittings it has in the arrangement in force."""

    use: RoomUse
    reason: str
    sittings: int


@dataclass(frozen=True)
class SetRoomUse:
    """A room of a county is used otherwise, and why: an act of its office."""

    site_code: str
    room_code: str
    use: RoomUse
    reason: str
    name = "set_room_use"
