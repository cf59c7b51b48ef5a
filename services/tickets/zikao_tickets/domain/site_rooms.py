"""Which room of its site each group gets: neighbours by course, so that packs travel together."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from zikao_tickets.domain.plan import Share
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.site_plan import SlotSites

Groups = tuple[tuple[str, int], ...]
"""(Course, people) of one room."""


def place(sites: SlotSites, rooms: Sequence[Room]) -> list[Share]:
    """The shares of a slot, in the order of `rooms`; these have as many as each site needs."""
    wanted: defaultdict[tuple[str, int], list[Groups]] = defaultdict(list)
    for site, capacity, groups in sorted(_wanted(sites), key=lambda each: each[2]):
        wanted[site, capacity].append(groups)
    shares: list[Share] = []
    for room in rooms:
        waiting = wanted[room.site_code, room.capacity]
        if waiting:
            shares += [
                Share(sites.slot, room.site_code, room.code, course, people)
                for course, people in waiting.pop(0)
            ]
    return shares


def _wanted(sites: SlotSites) -> Iterator[tuple[str, int, Groups]]:
    for whole, site, number in sites.whole:
        for _ in range(number):
            yield site, whole.capacity, ((whole.course_code, whole.capacity),)
    for shared, site in sites.bins:
        yield site, shared.capacity, shared.groups
