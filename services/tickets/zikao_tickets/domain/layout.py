"""How desks stand in a room and how its seats are numbered (DOMAIN section 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from zikao_tickets.domain.rooms import RoomUse

MIN_LABEL_DIGITS = 2

Desks = Sequence[Sequence[int]]
"""Seat numbers column by column from the front door's wall, each from front to back; 0: no desk."""


class Layout(StrEnum):
    """How seats are numbered from the front door; the names are those of the contract."""

    SNAKE = "snake"
    """Down the first column, up the next one."""
    SNAKE_ROWS = "snake_rows"
    """Along the front row, back along the next one."""
    ROWS = "rows"
    """Row by row, each from the door's wall."""
    CUSTOM = "custom"
    """As the room's own numbering says."""


@dataclass(frozen=True)
class RoomPlan:
    """One room; `columns` times `rows` places for desks.

    `numbering` of a custom layout has the seat number of every place, column by column from the
    front door's wall and each from front to back, 0 where there is no desk. `use` None: as it is
    used by now, a new room normally.
    """

    code: str
    columns: int
    rows: int
    layout: Layout = Layout.SNAKE
    numbering: tuple[int, ...] = ()
    accessible: frozenset[int] = frozenset()
    use: RoomUse | None = None

    @property
    def capacity(self) -> int:
        """Seats."""
        if self.layout is Layout.CUSTOM:
            return sum(number > 0 for number in self.numbering)
        return self.columns * self.rows

    def desks(self) -> Desks:
        """Where every seat is, for the door and the desks."""
        columns, rows = range(self.columns), range(self.rows)
        match self.layout:
            case Layout.SNAKE:
                ways = ([column * self.rows + row + 1 for row in rows] for column in columns)
                return [way[::-1] if at % 2 else way for at, way in enumerate(ways)]
            case Layout.SNAKE_ROWS:
                return [[self._along(row, column) for row in rows] for column in columns]
            case Layout.ROWS:
                return [[row * self.columns + column + 1 for row in rows] for column in columns]
            case Layout.CUSTOM:
                starts = range(0, len(self.numbering), self.rows)
                return [self.numbering[start : start + self.rows] for start in starts]

    def _along(self, row: int, column: int) -> int:
        place = self.columns - column if row % 2 else column + 1
        return row * self.columns + place


def room_problems(room: RoomPlan) -> Iterator[str]:
    """What contradicts itself in a room, in Chinese."""
    places = room.columns * room.rows
    if room.layout is not Layout.CUSTOM:
        if room.numbering:
            yield "只有自定义布局才能填写座位编号"
    elif len(room.numbering) != places:
        yield f"自定义布局应有{places}个座位编号，实有{len(room.numbering)}个"
    elif sorted(filter(None, room.numbering)) != list(range(1, room.capacity + 1)):
        yield "自定义布局的座位编号须为从1开始的连续号码，每号一次，没有课桌处为0"
    elif not room.capacity:
        yield "自定义布局没有座位"
    if beyond := sorted(number for number in room.accessible if number > room.capacity):
        yield f"考场没有无障碍座位{'、'.join(map(str, beyond))}号"


def seat_label(seat_number: int, capacity: int) -> str:
    """'05': as printed and as it stands on the desk, padded to the room's largest number."""
    return f"{seat_number:0{max(MIN_LABEL_DIGITS, len(str(capacity)))}}"
