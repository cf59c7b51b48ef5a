"""How many papers of which course go into which room, for those who pack them."""

from collections.abc import Sequence
from itertools import groupby

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
        *((_ROOM_HEADER, groups) for groups in _pages(_by_room(sheet.lines))),
        *((_TOTAL_HEADER, groups) for groups in _pages(_totals(sheet))),
    ]
    for at, (header, groups) in enumerate(pages, start=1):
        title = "试 卷 分 发 清 单" if header is _ROOM_HEADER else "试 卷 份 数 汇 总"
        draw_heading(pen, title, sheet.occasion, page_of(at, len(pages)))
        pen.row(header, _EDGES, _TOP, _ROW_HEIGHT, 11)
        top = _TOP + _ROW_HEIGHT
        for group in groups:
            _draw_group(pen, group, top)
            top += len(group) * _ROW_HEIGHT
        pen.frame(_MARGIN, _TOP, _INNER, top - _TOP, THICK)
        signs = "分发人＿＿＿＿＿＿＿＿　核对人＿＿＿＿＿＿＿＿"
        pen.write(signs, (_MARGIN, 281, _INNER, 6), 10, RIGHT)
        pen.next_page()


def _draw_group(pen: Pen, group: Rows, top: float) -> None:
    """The papers of a room: whoever fetches them signs once."""
    height = len(group) * _ROW_HEIGHT
    pen.row((group[0][0],), _EDGES[:2], top, height, 10)
    pen.row(("",), _EDGES[-2:], top, height, 10)
    for place, (_, *cells) in enumerate(group):
        pen.row(cells, _EDGES[1:-1], top + place * _ROW_HEIGHT, _ROW_HEIGHT, 10)


def _by_room(lines: Sequence[PaperLine]) -> list[Rows]:
    rooms = groupby(lines, key=lambda line: line.room)
    return [[_cells(line) for line in room] for _, room in rooms]


def _cells(line: PaperLine) -> tuple[str, ...]:
    return line.room, line.course_code, line.course_name, str(line.papers)


def _totals(sheet: PaperSheet) -> list[Rows]:
    rooms = len({line.room for line in sheet.lines})
    papers = sum(line.papers for line in sheet.lines)
    return [*([_cells(line)] for line in sheet.totals()), [(str(rooms), "", "合　计", str(papers))]]


def _pages(groups: Sequence[Rows]) -> list[list[Rows]]:
    """Groups of one page after another: none goes over a page's end."""
    pages: list[list[Rows]] = []
    left = 0
    for group in groups:
        if len(group) > left:
            pages.append([])
            left = _PAGE_ROWS
        pages[-1].append(group)
        left -= len(group)
    return pages
