"""Which room of its site each group gets: neighbours by course, so that packs travel together.

People who need an accessible seat come first: their groups get rooms that have one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from zikao_tickets.domain.cannot_arrange import AccessibleSeatsMissing
from zikao_tickets.domain.plan import Itinerary, Share
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.site_plan import SitePlan

Groups = tuple[tuple[str, int], ...]
"""(Course, people) of one room."""


class Hosted(NamedTuple):
    """Groups in a room, with how many of each course need an accessible seat there."""

    groups: Groups
    needing: tuple[int, ...]


class AccessibleSolver(Protocol):
    """The exact model of accessible seats at a site."""

    def host(
        self,
        needing: Counter[str],
        waiting: Sequence[tuple[int, Groups]],
        rooms: Sequence[Room],
    ) -> tuple[dict[int, Hosted], int]:
        """Number of a room to what it hosts, and how many of `needing` have no seat there.

        `waiting` has the groups of each room with their capacity; a room takes its capacity's.
        """


def place(
    sites: SitePlan, ways: Iterable[Itinerary], rooms: Sequence[Room], solver: AccessibleSolver
) -> list[Share]:
    """The shares in the order of slots and `rooms`; these have as many as each site needs.

    Raises AccessibleSeatsMissing.
    """
    wanted: defaultdict[tuple[int, str], list[tuple[int, Groups]]] = defaultdict(list)
    for (slot, whole), site in sites.wholes:
        groups = ((whole.course_code, whole.capacity),)
        wanted[slot, site] += [(whole.capacity, groups)] * whole.rooms
    for (slot, shared), site in sites.bins:
        wanted[slot, site].append((shared.capacity, shared.groups))
    needing = _needing(ways)
    by_site: defaultdict[str, list[Room]] = defaultdict(list)
    for room in rooms:
        by_site[room.site_code].append(room)
    return [
        Share(slot, room.site_code, room.code, course, people, accessible)
        for slot, site in sorted(wanted, key=lambda key: (key[0], list(by_site).index(key[1])))
        for room, hosted in _hosts(
            slot, by_site[site], wanted[slot, site], needing[slot, site], solver
        )
        for (course, people), accessible in zip(hosted.groups, hosted.needing, strict=True)
    ]


def _needing(ways: Iterable[Itinerary]) -> defaultdict[tuple[int, str], Counter[str]]:
    """(Slot, site) to course to people who need an accessible seat."""
    needing: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for way in ways:
        if way.kind.accessible:
            for (slot, course), site in zip(way.kind.choice, way.sites, strict=True):
                needing[slot, site][course] += way.people
    return needing


def _hosts(
    slot: int,
    rooms: Sequence[Room],
    wanted: Sequence[tuple[int, Groups]],
    needing: Counter[str],
    solver: AccessibleSolver,
) -> list[tuple[Room, Hosted]]:
    """What each room of the site hosts in the slot."""
    waiting = sorted(wanted, key=lambda each: each[1])
    hosted: dict[int, Hosted] = {}
    if needing:
        found, unseated = host_greedily(needing, waiting, rooms), 0
        if found is None:
            found, unseated = solver.host(needing, waiting, rooms)
        if unseated:
            needed = needing.total()
            raise AccessibleSeatsMissing(slot, needed, needed - unseated, rooms[0].site_code)
        hosted = found
    for at, hosts in hosted.items():
        waiting.remove((rooms[at].capacity, hosts.groups))
    for at, room in enumerate(rooms):
        if at not in hosted:
            fitting = (each for each in waiting if each[0] == room.capacity)
            if (chosen := next(fitting, None)) is not None:
                waiting.remove(chosen)
                hosted[at] = Hosted(chosen[1], (0,) * len(chosen[1]))
    return [(rooms[at], hosted[at]) for at in sorted(hosted)]


def host_greedily(
    needing: Counter[str], waiting: Sequence[tuple[int, Groups]], rooms: Sequence[Room]
) -> dict[int, Hosted] | None:
    """The rooms with most accessible seats take the groups with most who need them."""
    left, groups = needing.copy(), list(waiting)
    hosted: dict[int, Hosted] = {}
    order = sorted(range(len(rooms)), key=lambda at: -len(rooms[at].accessible))
    for at in order:
        seats = len(rooms[at].accessible)
        fitting = [each for each in groups if each[0] == rooms[at].capacity]
        if not left.total() or not seats or not fitting:
            continue
        chosen = max(fitting, key=lambda each: _served(each[1], left, seats).total())
        served = _served(chosen[1], left, seats)
        if served:
            groups.remove(chosen)
            left -= served
            hosted[at] = Hosted(chosen[1], tuple(served[course] for course, _ in chosen[1]))
    return None if left.total() else hosted


def _served(groups: Groups, needing: Counter[str], seats: int) -> Counter[str]:
    """Who of a room's groups can have its accessible seats, course by course."""
    served: Counter[str] = Counter()
    for course, people in groups:
        if number := min(people, needing[course], seats - served.total()):
            served[course] = number
    return served
