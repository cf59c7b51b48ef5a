"""Which room of its site each group gets: neighbours by course, so that packs travel together."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from zikao_tickets.domain.plan import Share
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.site_plan import SitePlan

Groups = tuple[tuple[str, int], ...]
"""(Course, people) of one room."""

NONE: Iterator[Groups] = iter(())


def place(sites: SitePlan, rooms: Sequence[Room]) -> list[Share]:
    """The shares in the order of slots and `rooms`; these have as many as each site needs."""
    wanted: defaultdict[tuple[int, str, int], list[Groups]] = defaultdict(list)
    for (slot, whole), site in sites.wholes:
        group = (whole.course_code, whole.capacity)
        wanted[slot, site, whole.capacity] += [(group,)] * whole.rooms
    for (slot, shared), site in sites.bins:
        wanted[slot, site, shared.capacity].append(shared.groups)
    waiting = {place: iter(sorted(groups)) for place, groups in wanted.items()}
    return [
        Share(slot, room.site_code, room.code, course, people)
        for slot in sorted({slot for slot, _, _ in waiting})
        for room in rooms
        for course, people in next(waiting.get((slot, room.site_code, room.capacity), NONE), ())
    ]
