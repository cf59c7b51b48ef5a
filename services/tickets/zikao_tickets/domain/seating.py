"""Who sits where: the plan's numbers become people by the seed (DOMAIN section 5).

All labels of the draw, each taken only where there is a choice; people are drawn in the order of
their ids, so the order of the input does not matter:

- "home:<slot>/<course>,...": which candidates of a kind go which way over the sites ("+" at the
  end for those who need an accessible seat);
- "course:<slot>:<course>:<site>": which of them sit in which room ("+" as above);
- "accessible:<slot>:<site>:<room>": who of a room has which accessible seat;
- "seat:<slot>:<site>:<room>": who has which of the lowest seats, accessible ones last.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from zikao_tickets.domain.draw import Draw
from zikao_tickets.domain.late_seating import draw_changes
from zikao_tickets.domain.plan import Itinerary, Plan, Share
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Kind, Roster
from zikao_tickets.domain.seat import Seat, cut, lowest_numbers

__all__ = ["Seat", "draw"]


Place = tuple[int, str, str, bool]
"""Slot, course, site, and whether an accessible seat is needed."""


def draw(plan: Plan, roster: Roster, seed: bytes, published: Sequence[Seat] = ()) -> list[Seat]:
    """Every seat in the order of slot, room and seat; a late plan changes `published`.

    Raises ValueError when the plan was made for another roster, or for other published seats.
    """
    if plan.is_late:
        return draw_changes(plan, roster, seed, published)
    at_site = _at_sites(plan.itineraries, roster, seed)
    in_room = _in_rooms(plan.shares, at_site, seed)
    return list(_seated(plan, in_room, roster.accessible, seed))


def _at_sites(
    itineraries: Iterable[Itinerary], roster: Roster, seed: bytes
) -> dict[Place, list[str]]:
    """Who is at a site, in the order of ids."""
    ways: defaultdict[Kind, list[Itinerary]] = defaultdict(list)
    for way in itineraries:
        ways[way.kind].append(way)
    kinds = roster.kinds()
    if kinds.keys() != ways.keys():
        raise ValueError("the plan was made for another roster")
    there: defaultdict[Place, list[str]] = defaultdict(list)
    for kind, people in kinds.items():
        drawn = Draw(seed, _home_label(kind)).shuffled(people) if len(ways[kind]) > 1 else people
        for way, chosen in zip(
            ways[kind], cut(drawn, [way.people for way in ways[kind]]), strict=True
        ):
            for (slot, course), site in zip(kind.choice, way.sites, strict=True):
                there[slot, course, site, kind.accessible] += chosen
    return {place: sorted(people) for place, people in there.items()}


def _home_label(kind: Kind) -> str:
    courses = ",".join(f"{slot}/{course}" for slot, course in kind.choice)
    return f"home:{courses}{'+' * kind.accessible}"


def _in_rooms(
    shares: Iterable[Share], at_site: dict[Place, list[str]], seed: bytes
) -> dict[tuple[int, str, str], list[tuple[str, str]]]:
    """(Slot, site, room) to the people in it with their courses."""
    rooms: defaultdict[Place, list[tuple[str, int]]] = defaultdict(list)
    for share in shares:
        at = (share.slot, share.course_code, share.site_code)
        rooms[*at, True].append((share.room_code, share.accessible))
        rooms[*at, False].append((share.room_code, share.people - share.accessible))
    there: defaultdict[tuple[int, str, str], list[tuple[str, str]]] = defaultdict(list)
    for place, shares_there in rooms.items():
        slot, course, site, accessible = place
        parts = [(room, people) for room, people in shares_there if people]
        people = at_site.get(place, [])
        label = f"course:{slot}:{course}:{site}{'+' * accessible}"
        drawn = Draw(seed, label).shuffled(people) if len(parts) > 1 else people
        for (room, _), chosen in zip(parts, cut(drawn, [n for _, n in parts]), strict=True):
            there[slot, site, room] += [(candidate_id, course) for candidate_id in chosen]
    return there


def _seated(
    plan: Plan,
    in_room: dict[tuple[int, str, str], list[tuple[str, str]]],
    accessible: frozenset[str],
    seed: bytes,
) -> Iterator[Seat]:
    """Everyone of every room on a seat."""
    for slot in sorted({slot for slot, _, _ in in_room}):
        for room in plan.rooms:
            if people := in_room.get((slot, room.site_code, room.code)):
                courses = dict(people)
                for number, who in _seats_of_room(slot, room, courses, accessible, seed):
                    yield Seat(slot, room.site_code, room.code, number, who, courses[who])


def _seats_of_room(
    slot: int, room: Room, people: Iterable[str], accessible: frozenset[str], seed: bytes
) -> list[tuple[int, str]]:
    """Seat number and candidate, in the order of numbers."""
    place = f"{slot}:{room.site_code}:{room.code}"
    everyone = sorted(people)
    needing = [each for each in everyone if each in accessible]
    others = [each for each in everyone if each not in accessible]
    reserved: list[int] = []
    if needing:
        reserved = Draw(seed, f"accessible:{place}").shuffled(sorted(room.accessible))[
            : len(needing)
        ]
    numbers = lowest_numbers(room, reserved)[: len(others)]
    drawn = Draw(seed, f"seat:{place}").shuffled(others)
    return sorted(zip(reserved + numbers, needing + drawn, strict=True))
