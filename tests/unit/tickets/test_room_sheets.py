"""What hangs and lies in rooms, as it is drawn."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pypdfium2
import pytest
from support.tickets_glyphs import glyph_png
from zikao_sandbox.portraits import portrait_jpeg
from zikao_tickets.printing.documents import (
    DESK_LABELS,
    DOOR_POSTERS,
    PAPER_COUNTS,
    SIGN_IN_SHEETS,
    Heading,
    SheetPrinter,
)
from zikao_tickets.printing.room_sheets import (
    Occasion,
    PaperLine,
    PaperSheet,
    RoomSheet,
    SeatLine,
)

OCCASION = Occasion(
    session_name="2022年4月高等教育自学考试",
    slot="第1场",
    date="2022年4月16日 星期六",
    time="09:00—11:30",
    county_name="锦江区",
    site_name="成都市第十七中学",
)
HISTORY, ENGLISH = ("03708", "中国近现代史纲要"), ("13000", "英语（专升本）")
SNAKE = [["01", "02", "03", "04"], ["08", "07", "06", "05"], ["09", "10", "11", "12"]]
SIX_COURSES = [(f"0000{number}", f"课程{number}") for number in range(6)]
DOCUMENT = "510000********0011"
NOBODY_HAS = "\U000f0001"


def seat(number: int, name: str = "张三", course: tuple[str, str] = HISTORY) -> SeatLine:
    """Somebody on a seat."""
    return SeatLine(number, f"{number:02}", name, f"0104221{number:05}", DOCUMENT, *course)


def room(seats: Sequence[SeatLine]) -> RoomSheet:
    """A room with them."""
    return RoomSheet(OCCASION, "012", SNAKE, tuple(seats))


@pytest.fixture(scope="module")
def printer() -> SheetPrinter:
    """The printer of the default font stack."""
    return SheetPrinter()


def pages(printer: SheetPrinter, kind: str, *sheets: RoomSheet | PaperSheet) -> list[str]:
    """The text of every page, without blanks."""
    pdf = printer.render(Heading(kind, kind, datetime(2022, 4, 1, tzinfo=UTC)), sheets)
    read = pypdfium2.PdfDocument(pdf)
    return ["".join(page.get_textpage().get_text_range().split()) for page in read]


def lines_of(printer: SheetPrinter, kind: str, sheet: RoomSheet) -> list[str]:
    """The lines of the first page."""
    pdf = printer.render(Heading(kind, kind, datetime(2022, 4, 1, tzinfo=UTC)), [sheet])
    text: str = pypdfium2.PdfDocument(pdf)[0].get_textpage().get_text_range()
    return text.splitlines()


def images(printer: SheetPrinter, sheet: RoomSheet) -> int:
    """How many images are on the first sign-in sheet."""
    heading = Heading(SIGN_IN_SHEETS, "", datetime(2022, 4, 1, tzinfo=UTC))
    page = pypdfium2.PdfDocument(printer.render(heading, [sheet]))[0]
    return sum(isinstance(each, pypdfium2.PdfImage) for each in page.get_objects(max_depth=5))


@pytest.mark.parametrize("kind", [SIGN_IN_SHEETS, DESK_LABELS])
def test_a_large_room_goes_on_on_a_second_page(printer: SheetPrinter, kind: str) -> None:
    """Thirty people a page, and everybody once."""
    first, second = pages(printer, kind, room([seat(number) for number in range(1, 37)]))
    for number in range(1, 37):
        assert seat(number).ticket_number in (first if number <= 30 else second)
    assert (first + second).count("张三") == 36


def test_a_sign_in_sheet_says_how_many_are_expected(printer: SheetPrinter) -> None:
    """Room, site, time and number of people are in its heading; a missing photo is said so.

    Everybody has a box for absence and a document that is recognised, and not told.
    """
    (text,) = pages(printer, SIGN_IN_SHEETS, room([seat(1), seat(2)]))
    for expected in ("第012考场", "成都市第十七中学", "09:00—11:30", "应到2人", "监考员签名"):
        assert expected in text
    for each, count in (("无照片", 2), (f"证件号码{DOCUMENT}", 2), ("缺考", 3)):
        assert text.count(each) == count
    assert "第1页，共1页" in text


def test_a_long_course_has_even_lines(printer: SheetPrinter) -> None:
    """No line has a lone character."""
    name = "物流管理软件操作与供应链综合应用（含实践、课程设计）"
    lines = lines_of(printer, SIGN_IN_SHEETS, room([seat(1, course=("07031", name))]))
    (first,) = (at for at, line in enumerate(lines) if line.startswith("07031"))
    assert lines[first].removeprefix("07031 ") + lines[first + 1] == name
    assert len(lines[first + 1]) >= 14


def test_photos_are_on_the_sign_in_sheet(printer: SheetPrinter) -> None:
    """Who has a usable one is seen; a broken one is as none."""
    shown = replace(seat(1), photo_jpeg=portrait_jpeg(1, "女"))
    broken = replace(seat(2), photo_jpeg=b"\xff\xd8\xff")
    assert images(printer, room([shown, broken])) == 1


def test_a_picture_takes_the_place_of_a_character(printer: SheetPrinter) -> None:
    """Supplied, it is drawn; else the blank type of printers says that something is missing."""
    named = room([seat(1, name=f"李{NOBODY_HAS}")])
    assert "李〓" in pages(printer, SIGN_IN_SHEETS, named)[0]
    drawn = replace(named, glyph_images=((NOBODY_HAS, glyph_png()),))
    assert "〓" not in pages(printer, SIGN_IN_SHEETS, drawn)[0]
    assert images(printer, drawn) == images(printer, named) + 1


def test_a_poster_names_courses_and_desks(printer: SheetPrinter) -> None:
    """Courses with their seats, neighbours as a range; every desk, taken or not."""
    seats = [
        seat(number, course=ENGLISH if number in (2, 5) else HISTORY) for number in range(1, 8)
    ]
    (text,) = pages(printer, DOOR_POSTERS, room(seats))
    assert "第012考场" in text
    assert "01、03—04、06—07" in text
    assert "02、05" in text
    assert all(each.ticket_number in text for each in seats)
    assert text.count("空") == 12 - 7


@pytest.mark.parametrize(("columns", "rows", "count"), [(10, 12, 1), (20, 20, 2)])
def test_a_poster_of_a_hall_names_every_seat(
    printer: SheetPrinter, columns: int, rows: int, count: int
) -> None:
    """However many: rows grow, and the plan goes to a page of its own; no label is shorter."""
    seats = [
        replace(seat(number, course=SIX_COURSES[number % 6]), seat=f"{number:03}")
        for number in range(1, columns * rows)
    ]
    desks = [[f"{1 + x * rows + y:03}" for y in range(rows)] for x in range(columns)]
    poster = replace(room(seats), desks=desks)
    found = pages(printer, DOOR_POSTERS, poster)
    assert len(found) == count
    for at in range(6):
        listed = "、".join(each.seat for each in seats if each.course_code == f"0000{at}")
        assert f"0000{at}课程{at}{listed}" in found[0]
    assert all(each.ticket_number in found[-1] for each in seats)
    assert f"{columns * rows:03}空" in found[-1]


def test_desk_labels_say_which_school(printer: SheetPrinter) -> None:
    """Labels of several schools are cut apart at one table."""
    (text,) = pages(printer, DESK_LABELS, room([seat(1), seat(2)]))
    assert text.count("成都市第十七中学") == 2


def test_what_is_too_long_is_set_smaller_and_cut_at_last(printer: SheetPrinter) -> None:
    """A long name is there in full; one without end does not stop the sheet."""
    long, endless = "阿卜杜热合曼·买买提明艾力江·吐尔逊", "无" * 500
    (text,) = pages(printer, DESK_LABELS, room([seat(1, name=long), seat(2, name=endless)]))
    assert long in text
    assert 20 < text.count("无") < 500


def test_paper_counts_add_up(printer: SheetPrinter) -> None:
    """A line for each room and course, page by page; then each course, and the whole.

    A room with several courses is together on a page, and is signed for once.
    """
    lines = [PaperLine(f"{number:03}", *HISTORY, 30) for number in range(1, 41)]
    lines[35:36] = [PaperLine("036", *ENGLISH, 7), lines[35]]
    first, second, totals = pages(printer, PAPER_COUNTS, PaperSheet(OCCASION, tuple(lines)))
    assert "第1页，共3页" in first
    assert f"035{HISTORY[0]}" in first
    assert "036" not in first
    assert second.count("036") == 1
    assert "040" in second
    assert f"40{HISTORY[0]}{HISTORY[1]}1200" in totals
    assert f"1{ENGLISH[0]}{ENGLISH[1]}7" in totals
    assert "40合计1207" in totals
