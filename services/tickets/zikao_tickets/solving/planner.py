"""The plan of a county, step by step; runs in a process of `pool`."""

from collections.abc import Callable, Sequence

from zikao_tickets.domain.itineraries import follow
from zikao_tickets.domain.late_changes import plan_changes
from zikao_tickets.domain.plan import Figures, Plan
from zikao_tickets.domain.room_plan import plan_rooms, room_sizes
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seat import Seat
from zikao_tickets.domain.site_plan import plan_sites
from zikao_tickets.domain.site_rooms import place
from zikao_tickets.solving.accessible_models import AccessibleModels
from zikao_tickets.solving.room_models import RoomModels
from zikao_tickets.solving.site_models import SiteModels

Progress = Callable[[str, int, int], None]
"""Called with the stage ("rooms", "sites"), steps done and steps in all."""


def make_plan(
    roster: Roster,
    rooms: Sequence[Room],
    published: Sequence[Seat] | None,
    progress: Progress,
) -> Plan:
    """The plan of a county: of all of it, or of what changes of `published` seats.

    `rooms` in the order in which they are filled. Raises RoomsInsufficient and
    AccessibleSeatsMissing.
    """
    if published:
        progress("late", 0, 1)
        return plan_changes(roster, rooms, published)
    models = RoomModels()
    sizes = room_sizes(rooms)
    counts = roster.counts()
    packings, proofs = [], []
    for done, (slot, courses) in enumerate(counts.items()):
        progress("rooms", done, len(counts))
        packing, proof = plan_rooms(slot, courses, sizes, models)
        packings.append(packing)
        proofs.append(proof)
    usable = [room for room in rooms if room.use is RoomUse.NORMAL]
    kinds = {kind: len(people) for kind, people in roster.kinds().items()}
    sites = plan_sites(
        packings, kinds, usable, SiteModels(), lambda *steps: progress("sites", *steps)
    )
    ways = follow(sites.homes, sites.quotas())
    shares = place(sites, ways, usable, AccessibleModels())
    used = {(share.site_code, share.room_code) for share in shares}
    changes = sum(way.people * way.changes for way in ways)
    figures = Figures(
        rooms=sum(proof.rooms for proof in proofs),
        rooms_bound=sum(proof.bound for proof in proofs),
        packs=len(shares),
        packs_bound=sum(proof.packs_bound for proof in proofs),
        changers=sum(way.people for way in ways if way.changes),
        site_changes=changes,
        site_changes_bound=sites.site_changes_bound,
        gap_reason=sites.gap_reason if changes > sites.site_changes_bound else None,
    )
    return Plan(
        rooms=tuple(room for room in usable if (room.site_code, room.code) in used),
        shares=tuple(shares),
        itineraries=tuple(ways),
        proofs=tuple(proofs),
        figures=figures,
    )
