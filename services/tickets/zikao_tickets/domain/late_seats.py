"""Late changes as seats and a plan that says what they come to."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from uuid import UUID

from zikao_tickets.domain.material import Material, seats_sha256
from zikao_tickets.domain.plan import Figures, GapReason, Plan
from zikao_tickets.domain.rearrangement import rearrange
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.seat_rows import DrawnSeats, seat_rows
from zikao_tickets.domain.seating import Seat


def late_seats(
    arrangement_id: UUID, session_code: str, material: Material, seed: bytes
) -> tuple[Plan, DrawnSeats]:
    """Keep published seats as far as can be. Raises RoomsInsufficient."""
    published = list(material.published or ())
    normal = [room for room in material.rooms if room.use is RoomUse.NORMAL]
    roster = material.roster
    seats = rearrange(roster.sittings(), normal, seed, published)
    drawn = DrawnSeats(
        seat_rows(arrangement_id, session_code, seats),
        len(roster.choices),
        len(seats),
        seats_sha256(seats),
    )
    figures = _figures(seats, published, material)
    plan = Plan(
        rooms=tuple(normal), shares=(), itineraries=(), proofs=(), figures=figures, is_late=True
    )
    return plan, drawn


def _figures(seats: Sequence[Seat], published: Sequence[Seat], material: Material) -> Figures:
    rooms = len({seat[:3] for seat in seats})
    packs = len({(*seat[:3], seat.course_code) for seat in seats})
    sites: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for seat in seats:
        sites[seat.candidate_id][seat.site_code] += 1
    away = [there.total() - max(there.values()) for there in sites.values()]
    changed = _changed(seats, published, material)
    places = {(seat.slot, seat.candidate_id): seat[1:4] for seat in seats}
    moved = {
        seat.candidate_id
        for seat in published
        if seat.candidate_id not in changed and places[seat.slot, seat.candidate_id] != seat[1:4]
    }
    return Figures(
        rooms=rooms,
        rooms_bound=rooms,
        packs=packs,
        packs_bound=packs,
        changers=sum(map(bool, away)),
        site_changes=sum(away),
        gap_reason=GapReason.LATE_CHANGES if any(away) else None,
        changed=len(changed),
        moved=len(moved),
    )


def _changed(seats: Sequence[Seat], published: Sequence[Seat], material: Material) -> set[str]:
    """Candidates whose sittings differ, or whose seat cannot be used any more."""
    before = {(seat.slot, seat.candidate_id, seat.course_code) for seat in published}
    now = {(seat.slot, seat.candidate_id, seat.course_code) for seat in seats}
    rooms = {(room.site_code, room.code): room for room in material.rooms}
    unusable = {
        seat.candidate_id
        for seat in published
        if not _is_usable(rooms.get(seat[1:3]), seat, material.roster.accessible)
    }
    return unusable | {candidate_id for _, candidate_id, _ in before ^ now}


def _is_usable(room: Room | None, seat: Seat, accessible: frozenset[str]) -> bool:
    if room is None or room.use is RoomUse.CLOSED:
        return False
    return seat.candidate_id not in accessible or seat.seat_number in room.accessible
