"""The sign-in sheet of a room: thirty people a page, each with photo and a place to sign."""

from collections.abc import Iterator, Sequence

from zikao_tickets.printing.pdf.thumbnails import thumbnail
from zikao_tickets.printing.pen import MIDDLE, PAGE_WIDTH, RIGHT, THICK, Pen
from zikao_tickets.printing.room_sheets import Occasion, RoomSheet, SeatLine

_COLUMNS, _ROWS = 3, 10
_PAGE_SEATS = _COLUMNS * _ROWS
_MARGIN, _TOP = 11.0, 35.5
_CELL_WIDTH, _CELL_HEIGHT = (PAGE_WIDTH - 2 * _MARGIN) / _COLUMNS, 24.4
_PHOTO_WIDTH, _PHOTO_HEIGHT = 12.0, 16.0
# About 200 dpi.
_PHOTO_PIXELS = (96, 128)
_INNER = PAGE_WIDTH - 2 * _MARGIN


def draw_sign_in_sheet(pen: Pen, sheet: RoomSheet) -> None:
    """The room's page, or pages."""
    pages = list(pages_of(sheet.seats, _PAGE_SEATS))
    for at, seats in enumerate(pages, start=1):
        draw_heading(pen, "考 生 签 到 表", sheet.occasion, f"第 {sheet.room} 考场")
        count = f"应到 {len(sheet.seats)} 人"
        pen.write(count, (_MARGIN, 28, _INNER, 6), 11, RIGHT)
        for place, seat in enumerate(seats):
            row, column = divmod(place, _COLUMNS)
            _draw_cell(pen, _MARGIN + column * _CELL_WIDTH, _TOP + row * _CELL_HEIGHT, seat)
        height = -(-len(seats) // _COLUMNS) * _CELL_HEIGHT
        pen.frame(_MARGIN, _TOP, _INNER, height, THICK)
        _draw_footer(pen, page_of(at, len(pages)))
        pen.next_page()


def pages_of(seats: Sequence[SeatLine], size: int) -> Iterator[Sequence[SeatLine]]:
    """Seats of one page after another."""
    for start in range(0, len(seats), size):
        yield seats[start : start + size]


def page_of(number: int, count: int) -> str:
    """How pages are numbered on all sheets."""
    return f"第 {number} 页，共 {count} 页"


def draw_heading(pen: Pen, title: str, occasion: Occasion, room: str) -> None:
    """What stands at the top of all sheets of a slot: 34 mm."""
    pen.write(occasion.session_name, (_MARGIN, 8, _INNER, 6), 11, MIDDLE)
    pen.write(title, (_MARGIN, 13.5, _INNER, 10), 18, MIDDLE, bold=True)
    where = f"{occasion.county_name}　{occasion.site_name}"
    pen.write(where, (_MARGIN, 23.5, _INNER * 0.68, 5.5), 11)
    pen.write(room, (_MARGIN, 23.5, _INNER, 5.5), 13, RIGHT, bold=True)
    when = f"{occasion.slot}　{occasion.date}　{occasion.time}"
    pen.write(when, (_MARGIN, 28.5, _INNER * 0.75, 5.5), 11)


def _draw_cell(pen: Pen, x: float, y: float, seat: SeatLine) -> None:
    pen.frame(x, y, _CELL_WIDTH, _CELL_HEIGHT)
    _draw_photo(pen, (x + 2, y + 1.8, _PHOTO_WIDTH, _PHOTO_HEIGHT), seat)
    pen.frame(x + 2.3, y + 19.7, 3.2, 3.2, 0.8)
    pen.write("缺考", (x + 6.2, y + 19.3, 8, 4), 9)
    left, width = x + 16, _CELL_WIDTH - 17.5
    pen.write(seat.seat, (left, y + 1, 11, 6), 15, bold=True)
    pen.write(seat.name, (left + 11, y + 1, width - 11, 6), 11)
    pen.write(f"准考证号 {seat.ticket_number}", (left, y + 7, width, 3.6), 8)
    pen.write(f"证件号码 {seat.document_number}", (left, y + 10.5, width, 3.6), 8)
    course = f"{seat.course_code} {seat.course_name}"
    pen.write(course, (left, y + 14, width, 5.6), 8)
    pen.write("签名", (left, y + 19.3, 8, 4), 8)
    pen.line(left + 8, y + 23.2, left + width, y + 23.2)


def _draw_photo(pen: Pen, box: tuple[float, float, float, float], seat: SeatLine) -> None:
    small = thumbnail(seat.photo_jpeg, *_PHOTO_PIXELS) if seat.photo_jpeg else None
    if small is None:
        pen.frame(*box)
        pen.write("无照片", box, 8, MIDDLE)
    else:
        pen.photo(small, *box)


def _draw_footer(pen: Pen, page: str) -> None:
    counts = "　　".join(f"{what}＿＿＿＿人" for what in ("实到", "缺考", "违纪"))
    signs = f"{counts}　　监考员签名＿＿＿＿＿＿＿　＿＿＿＿＿＿＿"
    pen.write(signs, (_MARGIN, 281, _INNER, 6), 9)
    pen.write(page, (_MARGIN, 286.5, _INNER, 5), 9, RIGHT)
