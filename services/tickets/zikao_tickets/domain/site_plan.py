"""Which site a room of the plan is at, and where the candidates of a kind sit."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from zikao_tickets.domain.itineraries import Homes
from zikao_tickets.domain.packing import Bin, SlotPacking, Whole
from zikao_tickets.domain.plan import GapReason
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Kind


@dataclass(frozen=True)
class SlotSites:
    """The rooms of a slot with their sites: (whole, site, rooms) and (bin, site)."""

    slot: int
    whole: tuple[tuple[Whole, str, int], ...]
    bins: tuple[tuple[Bin, str], ...]

    def quotas(self) -> dict[tuple[int, str], Counter[str]]:
        """(Slot, course) to site to people."""
        found: defaultdict[tuple[int, str], Counter[str]] = defaultdict(Counter)
        for whole, site, rooms in self.whole:
            found[self.slot, whole.course_code][site] += whole.capacity * rooms
        for shared, site in self.bins:
            for course, people in shared.groups:
                found[self.slot, course][site] += people
        return dict(found)


@dataclass(frozen=True)
class SitePlan:
    """Sites of all rooms, homes of all candidates, and what no arrangement can do without."""

    slots: tuple[SlotSites, ...]
    homes: Homes
    site_changes_bound: int
    gap_reason: GapReason | None


def in_order(
    packings: Sequence[SlotPacking], rooms: Sequence[Room], kinds: dict[Kind, int]
) -> SitePlan:
    """Sites filled one after the other; everyone at home at the first one."""
    sites = list(dict.fromkeys(room.site_code for room in rooms))
    slots = tuple(_fill(packing, rooms) for packing in packings)
    homes = {kind: {sites[0]: people} for kind, people in kinds.items()}
    return SitePlan(slots, homes, 0, None)


def _fill(packing: SlotPacking, rooms: Sequence[Room]) -> SlotSites:
    free = Counter((room.capacity, room.site_code) for room in rooms)

    def next_site(capacity: int) -> str:
        found = next(key for key in free if key[0] == capacity and free[key])
        free[found] -= 1
        return found[1]

    whole: Counter[tuple[Whole, str]] = Counter(
        (each, next_site(each.capacity)) for each in packing.whole for _ in range(each.rooms)
    )
    bins = tuple((each, next_site(each.capacity)) for each in packing.bins)
    return SlotSites(
        packing.slot, tuple((each, site, number) for (each, site), number in whole.items()), bins
    )
