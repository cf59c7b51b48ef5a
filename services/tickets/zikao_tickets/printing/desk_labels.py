"""Labels for desks: thirty a page, a room a page, to be cut apart."""

from zikao_tickets.printing.pen import MIDDLE, PAGE_HEIGHT, PAGE_WIDTH, Pen
from zikao_tickets.printing.room_sheets import RoomSheet, SeatLine
from zikao_tickets.printing.sign_in import pages_of

_COLUMNS, _ROWS = 3, 10
_MARGIN, _TOP = 7.0, 8.5
_WIDTH = (PAGE_WIDTH - 2 * _MARGIN) / _COLUMNS
_HEIGHT = (PAGE_HEIGHT - 2 * _TOP) / _ROWS


def draw_desk_labels(pen: Pen, sheet: RoomSheet) -> None:
    """The room's page, or pages."""
    for seats in pages_of(sheet.seats, _COLUMNS * _ROWS):
        for place, seat in enumerate(seats):
            row, column = divmod(place, _COLUMNS)
            _draw_label(pen, _MARGIN + column * _WIDTH, _TOP + row * _HEIGHT, sheet, seat)
        pen.next_page()


def _draw_label(pen: Pen, x: float, y: float, sheet: RoomSheet, seat: SeatLine) -> None:
    occasion = sheet.occasion
    pen.frame(x, y, _WIDTH, _HEIGHT, 0.3)
    pen.write(seat.seat, (x + 2, y + 5, 17.5, 14), 34, MIDDLE, bold=True)
    pen.write(f"{sheet.room} 考场", (x + 1, y + 19.5, 19.5, 5), 10, MIDDLE)
    left, width = x + 22, _WIDTH - 23.5
    pen.write(seat.name, (left, y + 1.2, width, 6.8), 14)
    pen.write(seat.ticket_number, (left, y + 8, width, 4.6), 11)
    course = f"{seat.course_code} {seat.course_name}"
    pen.write(course, (left, y + 12.7, width, 6), 8.5)
    when = f"{occasion.slot}　{occasion.date.partition(' ')[0]}　{occasion.time}"
    pen.write(when, (left, y + 18.9, width, 3.6), 7.5)
    pen.write(occasion.site_name, (left, y + 22.5, width, 4.8), 7.5)
