"""Sites and rooms from files: what is read, what is refused, and what tickets gets."""

from __future__ import annotations

from pathlib import Path

import pytest
from zikao.tickets.v1 import session_service_pb2 as tickets
from zikao_ctl.import_sites_command import read_site_files
from zikao_ctl.session_model import Room
from zikao_ctl.session_parts import site_to_pb
from zikao_ctl.session_reading import SessionFileError

SITES = "code,county_code,name,address,rooms\nA,510104,十七中,通盈街368号,2 of 5x6\n"
HORSESHOE = "A,003,3,2,1 2/0 3/5 4,1 5,停用\n"


def write(folder: Path, sites: str, rooms: str = "", encoding: str = "utf-8") -> tuple[Path, Path]:
    """The two files."""
    paths = folder / "sites.csv", folder / "rooms.csv"
    for path, text in zip(paths, (sites, rooms), strict=True):
        path.write_text(text, encoding)
    return paths


def problems_of(sites: Path, rooms: Path | None = None) -> list[str]:
    """What is wrong with files."""
    with pytest.raises(SessionFileError) as caught:
        read_site_files(sites, rooms)
    return caught.value.problems


def test_thirty_seats_in_a_snake_is_the_usual_room(tmp_path: Path) -> None:
    """Rooms are counted from 001, and say nothing else."""
    (site,) = read_site_files(write(tmp_path, SITES)[0], None)
    assert site.rooms == (Room("001", 5, 6), Room("002", 5, 6))
    assert site.seats == 60
    message = site_to_pb(site, "锦江区").rooms[0]
    assert (message.layout, message.use) == (tickets.ROOM_LAYOUT_SNAKE, 0)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_single_rooms_take_the_place_of_usual_ones(tmp_path: Path, encoding: str) -> None:
    """Or come after them; the columns may have their Chinese names."""
    header = "考点代码,考场号,列数,行数,编号方式,无障碍座位,用途\n"
    files = write(tmp_path, SITES, header + "A,001,,,rows,,备用\n" + HORSESHOE, encoding)
    (site,) = read_site_files(*files)
    assert site.rooms == (
        Room("001", 5, 6, "rows", use="reserve"),
        Room("002", 5, 6),
        Room("003", 3, 2, "custom", (1, 2, 0, 3, 5, 4), (1, 5), "closed"),
    )
    assert site.seats == 30
    message = site_to_pb(site, "锦江区").rooms[2]
    assert message.layout == tickets.ROOM_LAYOUT_CUSTOM
    assert list(message.numbering) == [1, 2, 0, 3, 5, 4]
    assert (list(message.accessible), message.use) == ([1, 5], tickets.ROOM_USE_CLOSED)


def test_a_site_may_have_single_rooms_alone(tmp_path: Path) -> None:
    """Its own list then needs no number of usual ones."""
    sites = "考点代码,区县代码,区县名称,考点名称,地址\nA,510104,锦江区,十七中,通盈街\n"
    rooms = "site,room,columns,rows\nA,101,4,5\n"
    (site,) = read_site_files(*write(tmp_path, sites, rooms))
    assert (site.county_name, site.rooms) == ("锦江区", (Room("101", 4, 5),))


def test_every_problem_is_said_with_its_line(tmp_path: Path) -> None:
    """Of both files, all in one answer."""
    sites = SITES + "b,5101,七中,,20 of 5x60\nC,510104,九中,九里堤,\n"
    rooms = (
        "site,room,columns,rows,layout,accessible,use,color\n"
        "A,1a,3,2,1 2/0 3,x,open,red\n"
        "A,003,,,,1 1,,\n"
        "A,003,21,,,,,\n"
        "D,001,,,,,,\n"
    )
    assert problems_of(*write(tmp_path, sites, rooms)) == [
        "rooms.csv line 1.color: is not known",
        "rooms.csv line 2.room: must be 1 to 6 digits, not '1a'",
        "rooms.csv line 2.accessible: must be numbers of seats, each once",
        "rooms.csv line 2.use: must be normal, reserve, closed, 正常, 备用, 停用",
        "rooms.csv line 2.layout: must be snake, snake_rows, rows, or numbers of 2 places in each"
        " of 3 columns: 1 2/4 3",
        "rooms.csv line 3.accessible: must be numbers of seats, each once",
        "rooms.csv line 4.columns: must be a whole number from 1 to 20",
        "rooms.csv line 4: room 003 is there twice",
        "sites.csv line 3.code: must be 1 to 12 digits or capital letters, not 'b'",
        'sites.csv line 3.rooms: must be like "40 of 5x6, 2 of 4x5", no side over 20',
        "sites.csv line 3.county_code: must be a 6-digit county code, not '5101'",
        "sites.csv line 3.address: is missing",
        "sites.csv line 4.rooms: is missing",
        "rooms.csv line 5: site D is not in sites",
    ]


def test_another_table_is_told_by_its_header(tmp_path: Path) -> None:
    """Once, not for each of its lines."""
    candidates = "准考证号,姓名\n" + "010422100001,张三\n" * 3
    assert problems_of(write(tmp_path, candidates)[0]) == [
        "sites.csv line 1.准考证号: is not known",
        "sites.csv line 1.姓名: is not known",
        *(
            f"sites.csv line 1.{column}: is missing: is it another file?"
            for column in ("code", "county_code", "name", "address")
        ),
    ]


def test_a_file_that_is_no_table(tmp_path: Path) -> None:
    """Says so, by its name."""
    (tmp_path / "sites.csv").write_bytes(b"\xff\xff\xff")
    (only,) = problems_of(tmp_path / "sites.csv")
    assert only.startswith("sites: sites.csv cannot be read: 'gb18030' codec")
