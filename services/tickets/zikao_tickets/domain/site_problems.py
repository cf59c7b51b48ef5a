"""What contradicts itself in sites that are given, whatever there was before."""

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from zikao_tickets.domain.layout import room_problems
from zikao_tickets.domain.session import Site

H = TypeVar("H", bound=Hashable)


class SiteProblem(NamedTuple):
    """What is wrong, in Chinese, with a site (by its place in the list) or one of its rooms."""

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


def repeated(codes: Iterable[H]) -> list[H]:
    """What is there more than once."""
    return [code for code, times in Counter(codes).items() if times > 1]
