"""Write the made-up tables of examples/sichuan-22.1; --check only compares.

Facts: codes and names of counties (sichuan-counties.csv) and courses (courses.csv). Made up, by
the rules below and in no way Sichuan's real figures: slots and tracks of courses, seats of
counties, sites, addresses and rooms, also accessible and reserve ones.
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"
FACTS, OUT = EXAMPLES / "data", EXAMPLES / "sichuan-22.1"
SEATS_PER_ROOM = 30
ROOMS_PER_SITE = 40
# Rooms beyond the bare seats: courses do not fill every room (DOMAIN section 5).
SPARE_ROOMS_PERCENT = 10
CHENGDU = "5101"
CHENGDU_CORE = {"510104", "510105", "510106", "510107", "510108"}
MOUNTAIN_PREFECTURES = {"5132", "5133", "5134"}
# Demand is extremely uneven: a few Chengdu districts take most of it (DOMAIN section 9).
SEATS_CORE, SEATS_CHENGDU = 9000, 3600
SEATS_CITY, SEATS_COUNTY = 2400, 900
SEATS_MOUNTAIN_CITY, SEATS_MOUNTAIN = 600, 180
# By the course's place in its slot, so that both tracks find courses in every slot.
TRACKS = ("social applied", "social", "social", "applied")

Row = Mapping[str, str]


def read(name: str) -> list[Row]:
    """The rows of a table of facts."""
    with (FACTS / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def courses(rows: list[Row]) -> Iterable[list[str]]:
    """Course, its slot, its tracks."""
    seen: dict[str, int] = {}
    for row in rows:
        slot = row["sample_slot"]
        place = seen[slot] = seen.get(slot, -1) + 1
        yield [row["course_code"], row["course_name"], slot, TRACKS[place % len(TRACKS)]]


def seats(county: Row, first_of_city: bool) -> int:
    """Seats of a county in each slot, a multiple of a room's."""
    if county["city_code"] == CHENGDU:
        return SEATS_CORE if county["county_code"] in CHENGDU_CORE else SEATS_CHENGDU
    if county["city_code"] in MOUNTAIN_PREFECTURES:
        return SEATS_MOUNTAIN_CITY if first_of_city else SEATS_MOUNTAIN
    return SEATS_CITY if first_of_city else SEATS_COUNTY


def with_seats(rows: list[Row]) -> list[tuple[Row, int]]:
    """Every county with its seats."""
    cities: set[str] = set()
    result = []
    for row in rows:
        result.append((row, seats(row, row["city_code"] not in cities)))
        cities.add(row["city_code"])
    return result


def sites(county: Row, county_seats: int) -> Iterable[list[str]]:
    """Sites of at most ROOMS_PER_SITE rooms; the last one has what remains."""
    code, name = county["county_code"], county["county_name"]
    bare = county_seats // SEATS_PER_ROOM
    left = bare + -(-bare * SPARE_ROOMS_PERCENT // 100)
    number = 0
    while left:
        number += 1
        rooms = min(left, ROOMS_PER_SITE)
        left -= rooms
        yield [
            f"{code}{number:02}",
            code,
            f"{name}第{number}考点(虚构)",
            f"{county['city_name']}{name}考试路{number}号(虚构)",
            f"{rooms} of 5x6",
        ]


def single_rooms(county: Row, site_rows: Iterable[list[str]]) -> Iterable[list[str]]:
    """A county's first room has two accessible seats; big counties keep their last in reserve."""
    rows = list(site_rows)
    first, last = rows[0], rows[-1]
    yield [first[0], "001", "1 2", ""]
    if county["county_code"] in CHENGDU_CORE:
        yield [last[0], f"{int(last[4].split()[0]):03}", "", "reserve"]


def table(header: list[str], rows: Iterable[list[str]]) -> str:
    """A CSV file's text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    return text.getvalue()


def tables() -> dict[str, str]:
    """Text of every table by file name."""
    counties = with_seats(read("sichuan-counties.csv"))
    return {
        "courses.csv": table(["code", "name", "slot", "tracks"], courses(read("courses.csv"))),
        "counties.csv": table(
            ["code", "name", "seats"],
            ([row["county_code"], row["county_name"], str(count)] for row, count in counties),
        ),
        "sites.csv": table(
            ["code", "county_code", "name", "address", "rooms"],
            (site for row, count in counties for site in sites(row, count)),
        ),
        "rooms.csv": table(
            ["site", "room", "accessible", "use"],
            (room for row, count in counties for room in single_rooms(row, sites(row, count))),
        ),
    }


def main() -> int:
    """Write, or compare with --check."""
    stale = []
    for name, text in tables().items():
        path = OUT / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in sys.argv[1:]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    if stale and "--check" in sys.argv[1:]:
        sys.stderr.write(f"not what this script makes: {', '.join(stale)}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
