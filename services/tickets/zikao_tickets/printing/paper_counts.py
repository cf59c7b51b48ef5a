"""How many papers of which course go into which room, for those who pack them."""

from collections.abc import Sequence

from zikao_tickets.printing.pen import PAGE_WIDTH, RIGHT, THICK, Pen
from zikao_tickets.printing.room_sheets import PaperLine, PaperSheet
from zikao_tickets.printing.sign_in import draw_heading, page_of

_MARGIN, _TOP = 11.0, 36.0
_ROW_HEIGHT = 6.5
_PAGE_ROWS = 36
_EDGES = (_MARGIN, 33.0, 60.0, 148.0, 168.0, PAGE_WIDTH - _MARGIN)
_INNER = PAGE_WIDTH - 2 * _MARGIN
_ROOM_HEADER = ("考场", "课程代码", "课程名称", "份数", "领取人签名")
_TOTAL_HEADER = ("考场数", "课程代码", "课程名称", "份数", "核对")

Rows = list[tuple[str, ...]]


def draw_paper_counts(pen: Pen, sheet: PaperSheet) -> None:
    """The pages of a site in a slot: by room, then what all rooms need together."""
    pages = [
        *((_ROOM_HEADER, rows) for rows in _pages(_cells(sheet.lines))),
        *((_TOTAL_HEADER, rows) for rows in _pages(_totals(sheet))),
    ]
    for at, (header, rows) in enumerate(pages, start=1):
        title = "试 卷 分 发 清 单" if header is _ROOM_HEADER else "试 卷 份 数 汇 总"
        draw_heading(pen, title, sheet.occasion, page_of(at, len(pages)))
        for place, cells in enumerate([header, *rows]):
            size = 11 if place == 0 else 10
            pen.row(cells, _EDGES, _TOP + place * _ROW_HEIGHT, _ROW_HEIGHT, size)
        pen.frame(_MARGIN, _TOP, _INNER, (1 + len(rows)) * _ROW_HEIGHT, THICK)
        signs = "分发人＿＿＿＿＿＿＿＿　核对人＿＿＿＿＿＿＿＿"
        pen.write(signs, (_MARGIN, 281, _INNER, 6), 10, RIGHT)
        pen.next_page()


def _cells(lines: Sequence[PaperLine]) -> Rows:
    return [(line.room, line.course_code, line.course_name, str(line.papers), "") for line in lines]


def _totals(sheet: PaperSheet) -> Rows:
    whole = ("", "", "合　计", str(sum(line.papers for line in sheet.lines)), "")
    return [*_cells(sheet.totals()), whole]


def _pages(rows: Rows) -> list[Rows]:
    return [rows[start : start + _PAGE_ROWS] for start in range(0, len(rows), _PAGE_ROWS)]
