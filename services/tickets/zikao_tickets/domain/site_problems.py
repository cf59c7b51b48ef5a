"""What contradicts itself in sites that are given, whatever there was before."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from zikao_tickets.domain.layout import room_problems
from zikao_tickets.domain.session import Site

MAX_SITES, MAX_ROOMS = 200, 5_000
"""Of a county: the largest one has some 40 sites, and what is arranged at once must have an end."""
NOT_GIVEN = -1

H = TypeVar("H", bound=Hashable)


class SiteProblem(NamedTuple):
    """What is wrong, in Chinese, with a site (by its place in the list) or one of its rooms.

    The place is NOT_GIVEN for a site that is not in the list: `description` names it.
    """

    site: int
    room_code: str
    description: str


def with_county_names(sites: Collection[Site], known: Mapping[str, str]) -> list[Site]:
    """The same, where a site does not name its county as another one does, of these or `known`."""
    names = {**known, **{site.county_code: site.county_name for site in sites if site.county_name}}
    return [
        site if site.county_name else replace(site, county_name=names.get(site.county_code, ""))
        for site in sites
    ]


def site_problems(sites: Sequence[Site]) -> Iterator[SiteProblem]:
    """All of them, in the order of the sites."""
    seen: set[str] = set()
    for place, site in enumerate(sites):
        if site.code in seen:
            yield SiteProblem(place, "", "重复")
        seen.add(site.code)
        if not site.county_name:
            yield SiteProblem(place, "", f"未填写区县{site.county_code}的名称")
        for code in repeated(room.code for room in site.rooms):
            yield SiteProblem(place, code, "重复")
        for room in site.rooms:
            for problem in room_problems(room):
                yield SiteProblem(place, room.code, f"：{problem}")


def foreign_problems(
    sites: Sequence[Site], county_prefix: str, counties: Mapping[str, str]
) -> Iterator[SiteProblem]:
    """Sites outside of the area, or whose code one outside has; `counties` by site code."""
    for place, site in enumerate(sites):
        if not site.county_code.startswith(county_prefix):
            yield SiteProblem(place, "", f"所属区县{site.county_code}不在所填区域内")
        elif not counties.get(site.code, county_prefix).startswith(county_prefix):
            yield SiteProblem(place, "", "的代码已由其他区域的考点使用")


def size_problems(given: Sequence[Site], after: Sequence[Site]) -> Iterator[SiteProblem]:
    """Counties that would have too much; said at the first site that is given of each."""
    sites, rooms = Counter[str](), Counter[str]()
    for site in after:
        sites[site.county_code] += 1
        rooms[site.county_code] += len(site.rooms)
    said: set[str] = set()
    for place, site in enumerate(given):
        county = site.county_code
        if county in said:
            continue
        said.add(county)
        if sites[county] > MAX_SITES:
            total = f"共有考点{sites[county]}个，最多{MAX_SITES}个"
            yield SiteProblem(place, "", f"所属区县{county}{total}")
        if rooms[county] > MAX_ROOMS:
            total = f"共有考场{rooms[county]}个，最多{MAX_ROOMS}个"
            yield SiteProblem(place, "", f"所属区县{county}{total}")


def repeated(codes: Iterable[H]) -> list[H]:
    """What is there more than once."""
    return [code for code, times in Counter(codes).items() if times > 1]
