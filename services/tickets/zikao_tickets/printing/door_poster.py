"""The poster on a room's door: which room, which courses, and where which number sits."""

from collections.abc import Sequence

from zikao_tickets.printing.pen import MIDDLE, PAGE_WIDTH, THICK, Pen
from zikao_tickets.printing.room_sheets import RoomSheet, SeatLine

_MARGIN = 14.0
_INNER = PAGE_WIDTH - 2 * _MARGIN
_COURSE_EDGES = (_MARGIN, 44.0, 140.0, 178.0, PAGE_WIDTH - _MARGIN)
_COURSE_HEIGHT = 7.5
_PLAN_BOTTOM = 284.0
_MOST_DESK_HEIGHT = 25.0


def draw_door_poster(pen: Pen, sheet: RoomSheet) -> None:
    """The room's page."""
    occasion = sheet.occasion
    pen.write(occasion.session_name, (_MARGIN, 12, _INNER, 8), 15, MIDDLE)
    where = f"{occasion.county_name}　{occasion.site_name}"
    pen.write(where, (_MARGIN, 21, _INNER, 8), 16, MIDDLE)
    room = f"第 {sheet.room} 考场"
    pen.write(room, (_MARGIN, 31, _INNER, 30), 64, MIDDLE, bold=True)
    when = f"{occasion.slot}　{occasion.date}　{occasion.time}"
    pen.write(when, (_MARGIN, 64, _INNER, 9), 17, MIDDLE)
    top = _draw_courses(pen, sheet)
    _draw_plan(pen, sheet, top + 5)
    pen.next_page()


def _draw_courses(pen: Pen, sheet: RoomSheet) -> float:
    """The courses and their seats; where they end."""
    top = 76.0
    pen.row(("课程代码", "课程名称", "座位号", "人数"), _COURSE_EDGES, top, _COURSE_HEIGHT, 11)
    for code, name, seats in sheet.courses():
        top += _COURSE_HEIGHT
        cells = (code, name, _ranges(seats), str(len(seats)))
        pen.row(cells, _COURSE_EDGES, top, _COURSE_HEIGHT, 12)
    height = top + _COURSE_HEIGHT - 76.0
    pen.frame(_MARGIN, 76.0, _INNER, height, THICK)
    return 76.0 + height


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
    seats = {seat.number: seat for seat in sheet.seats}
    columns, rows = len(sheet.desks), max(map(len, sheet.desks))
    width = _INNER / columns
    height = min((_PLAN_BOTTOM - top - 9) / rows, _MOST_DESK_HEIGHT)
    pen.frame(_MARGIN + _INNER * 0.36, top, _INNER * 0.28, 6)
    pen.write("讲　台", (_MARGIN, top, _INNER, 6), 11, MIDDLE)
    pen.write("前门", (_MARGIN, top, 20, 6), 11)
    for column, desks in enumerate(sheet.desks):
        for row, number in enumerate(desks):
            if number:
                box = (_MARGIN + column * width + 1, top + 9 + row * height, width - 2, height - 2)
                _draw_desk(pen, box, number, seats.get(number))


def _draw_desk(
    pen: Pen, box: tuple[float, float, float, float], number: int, seat: SeatLine | None
) -> None:
    x, y, width, height = box
    pen.frame(x, y, width, height)
    label = seat.seat if seat else f"{number:02}"
    pen.write(label, (x + 1, y + 0.5, width - 2, height * 0.55), 17, MIDDLE)
    below = (x + 0.7, y + height * 0.56, width - 1.4, height * 0.36)
    pen.write(seat.ticket_number if seat else "空", below, 10, MIDDLE)
