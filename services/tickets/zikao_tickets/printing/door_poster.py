"""The poster on a room's door: which room, which courses, and where which number sits."""

from collections.abc import Sequence

from zikao_tickets.printing.pen import MIDDLE, PAGE_WIDTH, THICK, Pen
from zikao_tickets.printing.room_sheets import RoomSheet, SeatLine

_MARGIN = 14.0
_INNER = PAGE_WIDTH - 2 * _MARGIN
_COURSE_EDGES = (_MARGIN, 34.0, 92.0, 183.0, PAGE_WIDTH - _MARGIN)
_COURSES_TOP = 76.0
_COURSE_HEIGHT = 7.5
_COURSE_POINTS = (11.0, 10.0, 9.0, 8.0)
_PLAN_BOTTOM = 284.0
_FRONT = 9.0
"""What the desk of the teacher takes before the first row."""
_LEAST_DESK_HEIGHT, _MOST_DESK_HEIGHT = 9.0, 25.0
_NARROW_DESK, _WIDE_DESK = 15.0, 20.0


def draw_door_poster(pen: Pen, sheet: RoomSheet) -> None:
    """The room's page; the plan of a large room is on a second one."""
    occasion = sheet.occasion
    pen.write(occasion.session_name, (_MARGIN, 12, _INNER, 8), 15, MIDDLE)
    where = f"{occasion.county_name}　{occasion.site_name}"
    pen.write(where, (_MARGIN, 21, _INNER, 8), 16, MIDDLE)
    room = f"第 {sheet.room} 考场"
    pen.write(room, (_MARGIN, 31, _INNER, 30), 64, MIDDLE, bold=True)
    when = f"{occasion.slot}　{occasion.date}　{occasion.time}"
    pen.write(when, (_MARGIN, 64, _INNER, 9), 17, MIDDLE)
    size = _course_size(pen, sheet)
    top = _draw_courses(pen, sheet, size) + 5
    if _desk_height(sheet, top) < _LEAST_DESK_HEIGHT:
        pen.next_page()
        pen.write(where, (_MARGIN, 12, _INNER, 8), 14, MIDDLE)
        pen.write(f"{room}座位图", (_MARGIN, 21, _INNER, 12), 26, MIDDLE, bold=True)
        pen.write(when, (_MARGIN, 35, _INNER, 7), 13, MIDDLE)
        top = 47.0
    _draw_plan(pen, sheet, top)
    pen.next_page()


def _course_size(pen: Pen, sheet: RoomSheet) -> float:
    """The largest type of the courses' table with which the plan is on the same page.

    Else the largest with which the table is on one.
    """
    ends = {size: _COURSES_TOP + sum(_heights(pen, sheet, size)) for size in _COURSE_POINTS}
    with_plan = [
        size for size, end in ends.items() if _desk_height(sheet, end + 5) >= _LEAST_DESK_HEIGHT
    ]
    alone = [size for size, end in ends.items() if end <= _PLAN_BOTTOM]
    return next(iter([*with_plan, *alone, *_COURSE_POINTS[-1:]]))


def _draw_courses(pen: Pen, sheet: RoomSheet, size: float) -> float:
    """The courses and all their seats; where they end."""
    top = _COURSES_TOP
    heights = _heights(pen, sheet, size)
    for cells, height in zip(_course_rows(sheet), heights, strict=True):
        pen.row(cells, _COURSE_EDGES, top, height, size)
        top += height
    pen.frame(_MARGIN, _COURSES_TOP, _INNER, top - _COURSES_TOP, THICK)
    return top


def _course_rows(sheet: RoomSheet) -> list[tuple[str, ...]]:
    header = ("课程代码", "课程名称", "座位号", "人数")
    courses = sheet.courses()
    return [header, *((code, name, _ranges(s), str(len(s))) for code, name, s in courses)]


def _heights(pen: Pen, sheet: RoomSheet, size: float) -> list[float]:
    rows = _course_rows(sheet)
    return [pen.row_height(cells, _COURSE_EDGES, _COURSE_HEIGHT, size) for cells in rows]


def _ranges(seats: Sequence[SeatLine]) -> str:
    """'01—12、15': seats in a row as one."""
    runs: list[list[SeatLine]] = []
    for seat in seats:
        if runs and runs[-1][-1].number + 1 == seat.number:
            runs[-1].append(seat)
        else:
            runs.append([seat])
    return "、".join(
        run[0].seat if len(run) == 1 else f"{run[0].seat}—{run[-1].seat}" for run in runs
    )


def _draw_plan(pen: Pen, sheet: RoomSheet, top: float) -> None:
    """Where every desk stands, seen from the door; a taken one has its ticket number."""
    seats = {seat.seat: seat for seat in sheet.seats}
    width, height = _INNER / len(sheet.desks), min(_desk_height(sheet, top), _MOST_DESK_HEIGHT)
    gap = 2.0 if width > _NARROW_DESK else 1.0
    pen.frame(_MARGIN + _INNER * 0.36, top, _INNER * 0.28, 6)
    pen.write("讲　台", (_MARGIN, top, _INNER, 6), 11, MIDDLE)
    pen.write("前门", (_MARGIN, top, 20, 6), 11)
    for column, desks in enumerate(sheet.desks):
        for row, label in enumerate(desks):
            if label:
                left = _MARGIN + column * width + gap / 2
                box = (left, top + _FRONT + row * height, width - gap, height - gap)
                _draw_desk(pen, box, label, seats.get(label))


def _desk_height(sheet: RoomSheet, top: float) -> float:
    """What there is for every desk below `top`, as much as may be."""
    return (_PLAN_BOTTOM - top - _FRONT) / max(map(len, sheet.desks))


def _draw_desk(
    pen: Pen, box: tuple[float, float, float, float], label: str, seat: SeatLine | None
) -> None:
    """Wide desks have their label above the number; the number of a narrow one has two lines."""
    x, y, width, height = box
    pen.frame(x, y, width, height)
    share = 0.55 if width > _NARROW_DESK else 0.38
    pen.write(label, (x + 0.5, y + 0.3, width - 1, height * share), 17, MIDDLE)
    below = (x + 0.4, y + height * share, width - 0.8, height * (0.97 - share))
    size = 10 if width > _WIDE_DESK else 8.5
    pen.write(seat.ticket_number if seat else "空", below, size, MIDDLE)
