"""A candidate's seat in a slot, and which ones of a published arrangement can still be used."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster


class Seat(NamedTuple):
    """Where a candidate sits in a slot; seats count from 1, as the room's layout says.

    `late` marks a share that a late change made against the rule of the remainder.
    """

    slot: int
    site_code: str
    room_code: str
    seat_number: int
    candidate_id: str
    course_code: str
    late: bool = False


class Kept(NamedTuple):
    """Seats of before that stay, and who has changed."""

    seats: list[Seat]
    changed: set[str]


def kept_seats(roster: Roster, rooms: Iterable[Room], published: Iterable[Seat]) -> Kept:
    """Which published seats can still be used by who has them."""
    by_key = {(room.site_code, room.code): room for room in rooms}
    seats: list[Seat] = []
    changed: set[str] = set()
    before: set[tuple[str, int, str]] = set()
    for seat in published:
        room = by_key.get((seat.site_code, seat.room_code))
        taken = (seat.slot, seat.course_code)
        before.add((seat.candidate_id, *taken))
        if taken not in roster.choices.get(seat.candidate_id, ()) or not _is_usable(
            room, seat, roster.accessible
        ):
            changed.add(seat.candidate_id)
        else:
            seats.append(seat)
    changed.update(
        candidate_id
        for candidate_id, choice in roster.choices.items()
        if any((candidate_id, *taken) not in before for taken in choice)
    )
    return Kept(seats, changed)


def _is_usable(room: Room | None, seat: Seat, accessible: frozenset[str]) -> bool:
    if room is None or room.use is RoomUse.CLOSED or seat.seat_number > room.capacity:
        return False
    return seat.candidate_id not in accessible or seat.seat_number in room.accessible


def lowest_numbers(room: Room, without: Iterable[int]) -> list[int]:
    """The seats of a room but for these, from the lowest on, accessible ones last."""
    left = set(range(1, room.capacity + 1)) - set(without)
    return sorted(left, key=lambda number: (number in room.accessible, number))


def cut(people: Sequence[str], parts: Sequence[int]) -> Iterator[Sequence[str]]:
    """The people in parts of these sizes. Raises ValueError when they are not as many."""
    if sum(parts) != len(people):
        raise ValueError("the plan was made for another roster")
    at = 0
    for size in parts:
        yield people[at : at + size]
        at += size
