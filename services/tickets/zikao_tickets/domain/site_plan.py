"""Which site a room of the plan is at, and where the candidates of a kind sit.

The sites are cut in two, one from the others (of many, half of them), until a site is left: at
every cut the solver divides people, whole rooms and shared rooms so that of every course as many
people go with a half as its rooms there take. Where no sitting is left over at any cut, nobody
changes site.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from zikao_tickets.domain.cannot_arrange import AccessibleSeatsMissing
from zikao_tickets.domain.itineraries import Homes
from zikao_tickets.domain.packing import Bin, SlotPacking, Whole
from zikao_tickets.domain.plan import GapReason
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Kind

ONE_BY_ONE_UP_TO = 12
"""Sites of a county that are cut off one by one."""


class SlotWhole(NamedTuple):
    """Rooms that a course fills, in a slot."""

    slot: int
    whole: Whole


class SlotBin(NamedTuple):
    """A shared room, in a slot."""

    slot: int
    shared: Bin


@dataclass(frozen=True)
class Side:
    """What some sites have in every slot."""

    sites: tuple[str, ...]
    rooms: Mapping[int, int]
    """Capacity to rooms."""
    accessible: int
    """Rooms with accessible seats."""


@dataclass(frozen=True)
class Load:
    """What sits at some sites."""

    kinds: Mapping[Kind, int]
    wholes: tuple[SlotWhole, ...]
    bins: tuple[SlotBin, ...]


@dataclass(frozen=True)
class Cut:
    """What of a load goes with the first half: people by kind, rooms of each whole, bins.

    `left_over` sittings are on the other side than their candidate; `objective` counts in addition
    who needs an accessible seat beyond the half's share of them. `is_searched`, no cut of these
    halves has a smaller one; else the search was ended by its limits.
    """

    kinds: Mapping[Kind, int]
    wholes: tuple[int, ...]
    bins: tuple[bool, ...]
    left_over: int
    objective: float
    is_searched: bool


class SiteSolver(Protocol):
    """Exact models of a cut."""

    def cut(self, load: Load, here: Side, there: Side) -> Cut:
        """The cut with the fewest sittings left over that is found."""

    def left_over_bound(self, load: Load, here: Side, there: Side) -> int:
        """Sittings that are left over at any cut, whichever rooms the remainders share."""


@dataclass(frozen=True)
class SitePlan:
    """Where everything is: (whole with the rooms at a site, site), bins, and homes."""

    wholes: tuple[tuple[SlotWhole, str], ...]
    bins: tuple[tuple[SlotBin, str], ...]
    homes: Homes
    left_over: int
    site_changes_bound: int
    gap_reason: GapReason
    """What it is if sittings change site that the bound does not ask for."""

    def quotas(self) -> dict[tuple[int, str], Counter[str]]:
        """(Slot, course) to site to people."""
        found: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        for (slot, whole), site in self.wholes:
            found[slot, whole.course_code][site] += whole.capacity * whole.rooms
        for (slot, shared), site in self.bins:
            for course, people in shared.groups:
                found[slot, course][site] += people
        return dict(found)


def plan_sites(
    packings: Sequence[SlotPacking],
    kinds: Mapping[Kind, int],
    rooms: Sequence[Room],
    solver: SiteSolver,
    progress: Callable[[int, int], None],
) -> SitePlan:
    """The sites of all rooms and people; as few sites as have room for every slot.

    `rooms` are those that a first arrangement may use, at least as many as the packings need.
    Raises AccessibleSeatsMissing.
    """
    load = Load(
        kinds,
        tuple(SlotWhole(each.slot, whole) for each in packings for whole in each.whole),
        tuple(SlotBin(each.slot, shared) for each in packings for shared in each.bins),
    )
    needing = _needing(kinds)
    sides = _enough_sites(packings, _sides(rooms), max(needing.values(), default=0))
    seats = sum(len(room.accessible) for room in rooms)
    for slot, people in sorted(needing.items()):
        if people > seats:
            raise AccessibleSeatsMissing(slot, people, seats)
    largest_first = sorted(sides, key=lambda side: -sum(side.rooms.values()))
    work = _Cutting(solver, progress, len(sides))
    work.cut(load, largest_first)
    if work.left_over and len({sum(side.rooms.values()) for side in sides}) > 1:
        again = _Cutting(solver, progress, len(sides))
        again.cut(load, largest_first[::-1])
        work = min(work, again, key=lambda each: each.left_over)
    bound = _bound(load, rooms, solver) if work.left_over else 0
    return SitePlan(
        tuple(work.wholes),
        tuple(work.bins),
        work.homes,
        work.left_over,
        bound,
        _reason(work, rooms),
    )


def _bound(load: Load, rooms: Sequence[Room], solver: SiteSolver) -> int:
    """Site changes that no arrangement can do without, as far as a cut of all sites tells.

    With rooms of one capacity only: of several, a course may fill others than these.
    """
    sides = _sides(rooms)
    if len({room.capacity for room in rooms}) > 1 or len(sides) == 1:
        return 0
    here, there = _halves(sides)
    return solver.left_over_bound(load, _joined(here), _joined(there))


class _Cutting:
    """The recursion, and what it has found so far."""

    def __init__(
        self, solver: SiteSolver, progress: Callable[[int, int], None], sites: int
    ) -> None:
        self.wholes: list[tuple[SlotWhole, str]] = []
        self.bins: list[tuple[SlotBin, str]] = []
        self.homes: defaultdict[Kind, dict[str, int]] = defaultdict(dict)
        self.left_over, self.is_cut_short = 0, False
        self._solver, self._progress = solver, progress
        self._sites, self._done = sites, 0

    def cut(self, load: Load, sides: Sequence[Side]) -> None:
        """Give everything of `load` its site."""
        if len(sides) == 1:
            self._settle(load, sides[0].sites[0])
            return
        if not (load.kinds or load.wholes or load.bins):
            # Few people of a county with many sites: nothing is left for these.
            self._done += len(sides)
            self._progress(self._done, self._sites)
            return
        # One by one, the last sites have large courses only; it takes longer the more there are.
        at = 1 if len(sides) <= ONE_BY_ONE_UP_TO else len(sides) // 2
        here, there = sides[:at], sides[at:]
        cut = self._solver.cut(load, _joined(here), _joined(there))
        self.left_over += cut.left_over
        self.is_cut_short |= not cut.is_searched
        self.cut(_taken(load, cut), here)
        self.cut(_rest(load, cut), there)

    def _settle(self, load: Load, site: str) -> None:
        self.wholes += [(each, site) for each in load.wholes]
        self.bins += [(each, site) for each in load.bins]
        for kind, people in load.kinds.items():
            self.homes[kind][site] = people
        self._done += 1
        self._progress(self._done, self._sites)


def _sides(rooms: Sequence[Room]) -> list[Side]:
    """One a site, in the order of files."""
    by_site: defaultdict[str, list[Room]] = defaultdict(list)
    for room in rooms:
        by_site[room.site_code].append(room)
    return [
        Side(
            (site,),
            Counter(room.capacity for room in there),
            sum(bool(room.accessible) for room in there),
        )
        for site, there in by_site.items()
    ]


def _needing(kinds: Mapping[Kind, int]) -> Counter[int]:
    """Slot to people who need an accessible seat."""
    needing: Counter[int] = Counter()
    for kind, people in kinds.items():
        if kind.accessible:
            for slot, _ in kind.choice:
                needing[slot] += people
    return needing


def _enough_sites(
    packings: Sequence[SlotPacking], sides: Sequence[Side], accessible: int
) -> list[Side]:
    """The fewest sites with room for every slot and a room of slack a cut; else all."""
    needs = [_rooms_by_capacity(each) for each in packings]
    largest_first = sorted(sides, key=lambda side: -sum(side.rooms.values()))
    for number in range(1, len(sides)):
        chosen = _joined(largest_first[:number])
        slack = number - 1
        if chosen.accessible >= accessible and all(
            chosen.rooms.get(capacity, 0) >= rooms + slack
            for need in needs
            for capacity, rooms in need.items()
        ):
            return [side for side in sides if side in largest_first[:number]]
    return list(sides)


def _rooms_by_capacity(packing: SlotPacking) -> Counter[int]:
    rooms: Counter[int] = Counter()
    for whole in packing.whole:
        rooms[whole.capacity] += whole.rooms
    for shared in packing.bins:
        rooms[shared.capacity] += 1
    return rooms


def _halves(sides: Sequence[Side]) -> tuple[Sequence[Side], Sequence[Side]]:
    """Neighbours stay together; halves as even in rooms as that allows."""
    sizes = [sum(side.rooms.values()) for side in sides]
    at = min(range(1, len(sides)), key=lambda cut: abs(sum(sizes[:cut]) - sum(sizes[cut:])))
    return sides[:at], sides[at:]


def _joined(sides: Iterable[Side]) -> Side:
    rooms: Counter[int] = Counter()
    sites: tuple[str, ...] = ()
    accessible = 0
    for side in sides:
        rooms.update(side.rooms)
        sites += side.sites
        accessible += side.accessible
    return Side(sites, rooms, accessible)


def _taken(load: Load, cut: Cut) -> Load:
    """What goes with the first half."""
    return Load(
        {kind: people for kind, people in cut.kinds.items() if people},
        tuple(
            SlotWhole(slot, whole._replace(rooms=rooms))
            for (slot, whole), rooms in zip(load.wholes, cut.wholes, strict=True)
            if rooms
        ),
        tuple(each for each, here in zip(load.bins, cut.bins, strict=True) if here),
    )


def _rest(load: Load, cut: Cut) -> Load:
    """What goes with the second half."""
    kinds = {kind: people - cut.kinds.get(kind, 0) for kind, people in load.kinds.items()}
    rest = Cut(
        kinds,
        tuple(
            each.whole.rooms - rooms for each, rooms in zip(load.wholes, cut.wholes, strict=True)
        ),
        tuple(not here for here in cut.bins),
        0,
        0.0,
        is_searched=True,
    )
    return _taken(load, rest)


def _reason(cutting: _Cutting, rooms: Sequence[Room]) -> GapReason:
    """Why more sittings may be left over than the bound says, as far as the solver tells."""
    if cutting.is_cut_short:
        return GapReason.NODE_LIMIT
    if len({room.capacity for room in rooms}) > 1:
        return GapReason.MIXED_ROOMS
    return GapReason.NOT_KNOWN
