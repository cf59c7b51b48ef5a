"""Numbers by county, slot and course, and their files."""

import csv
from dataclasses import replace
from uuid import UUID

from support.enrollment_sessions import OPENS_AT, small_session
from zikao_enrollment.converts.csv_files import (
    STATISTICS_HEADER,
    roster_csv,
    statistics_csv,
)
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.orders import OrderCourse
from zikao_enrollment.domain.rosters import RosterEntry
from zikao_enrollment.domain.statistics import Figures, Grouping, People, Sittings
from zikao_kit.spreadsheet import csv_header

FIGURES = Figures.of(
    OPENS_AT,
    [
        Sittings("510104", 1, "00001", 2, 3, 7000, 10500),
        Sittings("510104", 2, "00003", 0, 3, 0, 10500),
        Sittings("510722", 1, "00001", 1, 0, 3500, 0),
    ],
    {"510104": People(5, 3), "510722": People(1, 0)},
    {
        SeatKey("510104", 1): 10,
        SeatKey("510104", 2): 20,
        SeatKey("510105", 1): 5,
        SeatKey("510722", 1): 7,
    },
)


def numbers(grouping: Grouping, prefix: str = "") -> dict[tuple[object, ...], tuple[int, ...]]:
    """Capacity, candidates, paid ones, held, confirmed, fees: by what they are about."""
    return {
        tuple(part for part in row.group if part): (
            row.capacity,
            row.candidates,
            row.confirmed_candidates,
            row.held,
            row.confirmed,
            row.held_fen,
            row.confirmed_fen,
        )
        for row in FIGURES.rows(grouping, prefix)
    }


def test_counties_have_their_own_candidates() -> None:
    """Who sits twice is one candidate; a county where nobody is has its seats."""
    assert numbers(Grouping.COUNTY) == {
        ("510104",): (30, 5, 3, 2, 6, 7000, 21000),
        ("510105",): (5, 0, 0, 0, 0, 0, 0),
        ("510722",): (7, 1, 0, 1, 0, 3500, 0),
    }


def test_slots_and_courses_add_up_over_counties() -> None:
    """Those of the area alone; a course has no seats of its own."""
    assert numbers(Grouping.SLOT) == {
        (1,): (22, 6, 3, 3, 3, 10500, 10500),
        (2,): (20, 3, 3, 0, 3, 0, 10500),
    }
    assert numbers(Grouping.SLOT, "5101")[1,] == (15, 5, 3, 2, 3, 7000, 10500)
    assert numbers(Grouping.COURSE)[1, "00001"] == (0, 6, 3, 3, 3, 10500, 10500)
    assert numbers(Grouping.COUNTY_SLOT, "5107") == {("510722", 1): (7, 1, 0, 1, 0, 3500, 0)}
    assert numbers(Grouping.COUNTY_COURSE, "5107") == {
        ("510722", 1, "00001"): (0, 1, 0, 1, 0, 3500, 0)
    }


def lines(content: bytes) -> list[list[str]]:
    """A file as a spreadsheet reads it."""
    return list(csv.reader(content.decode("utf-8-sig").splitlines()))


def test_the_file_of_statistics_is_for_people() -> None:
    """A byte order mark, Chinese headers, China's time, yuan with two digits, names."""
    rows = FIGURES.rows(Grouping.COUNTY, "510104")
    content = csv_header(STATISTICS_HEADER) + statistics_csv(small_session(), FIGURES, rows)
    assert content.startswith(b"\xef\xbb\xbf")
    header, row = lines(content)
    assert header == list(STATISTICS_HEADER)
    named = dict(zip(header, row, strict=True))
    assert named["统计时间"] == "2022-02-28 09:00:00"
    assert (named["区县名称"], named["考位数"]) == ("锦江区", "30")
    assert (named["占位金额（元）"], named["已缴费金额（元）"]) == ("70.00", "210.00")


def test_no_cell_is_a_formula() -> None:
    """A name that a spreadsheet would calculate is text there."""
    session = small_session()
    evil = replace(session.courses[0], name='=HYPERLINK("http://a")')
    session = replace(session, courses=(evil, *session.courses[1:]))
    entry = RosterEntry("510104", UUID(int=1), (OrderCourse("00001", 1),))
    (row,) = lines(roster_csv(session, [entry]))
    assert row[-1] == '\'=HYPERLINK("http://a")'
    assert row[:-1] == ["22.1", "510104", "锦江区", str(UUID(int=1)), "1", "00001"]
