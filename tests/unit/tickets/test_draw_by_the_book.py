"""docs/tickets.md, "Checking a draw", followed to the letter by code that shares nothing."""

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count, groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from support.tickets_arranging import planned
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.plan import Plan
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import draw
from zikao_tickets.solving.planner import make_plan

SEED = bytes(range(32))
BOOK = Path(__file__).parents[3] / "docs" / "tickets.md"
Seat = tuple[int, str, str, int, str, str]


def words(seed: bytes, label: str) -> Iterator[int]:
    """Rule 2: words of a label."""
    for block in count():
        message = label.encode() + b"\x00" + block.to_bytes(8)
        digest = hmac.new(seed, message, hashlib.sha256).digest()
        yield from (int.from_bytes(digest[at : at + 8]) for at in (0, 8, 16, 24))


def shuffled(seed: bytes, label: str, items: Sequence[Any]) -> list[Any]:
    """Rule 2: a shuffle."""
    drawn, stream = list(items), words(seed, label)
    for last in range(len(drawn) - 1, 0, -1):
        limit = last + 1
        word = next(word for word in stream if word < 2**64 - 2**64 % limit)
        drawn[last], drawn[word % limit] = drawn[word % limit], drawn[last]
    return drawn


def drawn_by_the_book(
    plan: Any, people: dict[str, list[tuple[int, str]]], needing: set[str], seed: bytes
) -> list[Seat]:
    """Rules 3 to 5; `people` are the candidates in the order of ids, with their sittings."""
    there: dict[tuple[int, str, str, bool], list[str]] = {}
    for number, (choice, need) in enumerate(plan["kinds"]):
        kind = [tuple(sitting) for sitting in choice]
        members = [p for p in people if people[p] == kind and (p in needing) == need]
        ways = [way for way in plan["itineraries"] if way[0] == number]
        if len(ways) > 1:
            label = "home:" + ",".join(f"{slot}/{course}" for slot, course in kind)
            members = shuffled(seed, label + "+" * need, members)
        for _, sites, size in ways:
            for (slot, course), site in zip(kind, sites, strict=True):
                there.setdefault((slot, course, site, need), []).extend(members[:size])
            members = members[size:]
    rooms: dict[tuple[int, str, str], list[tuple[str, str]]] = {}
    for (slot, course, site, need), unsorted in there.items():
        shares = [s for s in plan["shares"] if (s[0], s[3], s[1]) == (slot, course, site)]
        sizes = [(s[2], s[5] if need else s[4] - s[5]) for s in shares]
        sizes = [(room, size) for room, size in sizes if size]
        members = sorted(unsorted)
        if len(sizes) > 1:
            members = shuffled(seed, f"course:{slot}:{course}:{site}{'+' * need}", members)
        for room, size in sizes:
            rooms.setdefault((slot, site, room), []).extend((p, course) for p in members[:size])
            members = members[size:]
    seats: list[Seat] = []
    for (slot, site, room), inside in rooms.items():
        (_, _, capacity, accessible, _) = next(r for r in plan["rooms"] if r[:2] == [site, room])
        place, everyone = f"{slot}:{site}:{room}", dict(sorted(inside))
        first = [p for p in everyone if p in needing]
        given = shuffled(seed, f"accessible:{place}", sorted(accessible))[: len(first)]
        others = shuffled(seed, f"seat:{place}", [p for p in everyone if p not in needing])
        free = [n for n in range(1, capacity + 1) if n not in given]
        free.sort(key=lambda n: (n in accessible, n))
        for person, seat in zip(first + others, given + free[: len(others)], strict=True):
            seats.append((slot, site, room, seat, person, everyone[person]))
    return sorted(seats)


def changed_by_the_book(
    plan: Any, people: dict[str, list[tuple[int, str]]], needing: set[str], before: list[Seat]
) -> list[Seat]:
    """The rules of late changes; `before` has the seats that were in force."""
    rooms = {(site, room): rest for site, room, *rest in plan["rooms"]}
    cleared = {tuple(group) for group in plan["cleared"]}
    staying = [
        seat
        for seat in before
        if (seat[0], seat[5]) in people.get(seat[4], [])
        and (at := rooms.get(seat[1:3]))
        and at[2] != "closed"
        and seat[3] <= at[0]
        and (seat[4] not in needing or seat[3] in at[1])
        and (*seat[:3], seat[5]) not in cleared
    ]
    seated = {(seat[0], seat[4]) for seat in staying}
    coming: dict[tuple[int, str, str], dict[str, str]] = {}
    for slot, course in {(share[0], share[3]) for share in plan["shares"]}:
        takers = [
            p for p in sorted(people) if (slot, course) in people[p] and (slot, p) not in seated
        ]
        for need in (False, True):
            members = [p for p in takers if (p in needing) == need]
            members = shuffled(SEED, f"late:{slot}:{course}{'+' * need}", members)
            for share in plan["shares"]:
                if (share[0], share[3]) == (slot, course):
                    door = (slot, share[1], share[2])
                    there = [s for s in staying if s[:3] == door and s[5] == course]
                    stay = sum((s[4] in needing) == need for s in there)
                    size = (share[5] if need else share[4] - share[5]) - stay
                    coming.setdefault(door, {}).update(dict.fromkeys(members[:size], course))
                    members = members[size:]
    return sorted(
        seat
        for slot in {share[0] for share in plan["shares"]}
        for site, room in rooms
        for seat in late_room(
            (slot, site, room),
            rooms[site, room],
            {s[3]: (s[4], s[5]) for s in staying if s[:3] == (slot, site, room)},
            coming.get((slot, site, room), {}),
            needing,
        )
    )


def late_room(
    door: tuple[int, str, str],
    room: Any,
    taken: dict[int, tuple[str, str]],
    coming: dict[str, str],
    needing: set[str],
) -> list[Seat]:
    """The last rule of late changes."""
    place, (capacity, accessible, *_) = ":".join(map(str, door)), room
    held = [n for n in sorted(accessible) if n in taken and taken[n][0] not in needing]
    given = shuffled(
        SEED, f"late-accessible:{place}", [n for n in sorted(accessible) if n not in taken]
    ) + shuffled(SEED, f"late-swap:{place}", held)
    rest = {who: course for who, course in coming.items() if who not in needing}
    for number, who in zip(given, sorted(coming.keys() & needing), strict=False):
        if number in taken:
            rest |= dict([taken[number]])
        taken[number] = (who, coming[who])
    free = [n for n in range(1, capacity + 1) if n not in taken]
    free = [
        *shuffled(SEED, f"late-place:{place}", [n for n in free if n not in accessible]),
        *(n for n in free if n in accessible),
    ]
    for number, who in zip(free, shuffled(SEED, f"late-seat:{place}", sorted(rest)), strict=False):
        taken[number] = (who, rest[who])
    return [(*door, number, *taken[number]) for number in taken]


def test_the_example_of_the_book_is_right() -> None:
    """What it says of one label is what comes out."""
    example = " ".join(shuffled(SEED, "seat:1:A:001", "abcdefgh"))
    assert f"makes of `a b c d e f g h`: `{example}`" in BOOK.read_text("utf-8")


ROOMS = [
    Room(site, f"{number:03}", 6, frozenset({2, 5})) for site in "AB" for number in range(1, 6)
]
# So many that some take the accessible seats of others.
NEEDING_LATE = (5, 7, 8, 11, 13, 18, 34, 37, 44)
PEOPLE = [str(UUID(int=number * 7919)) for number in range(1, 46)]


def sittings_of(numbers: Sequence[int]) -> list[Sitting]:
    """Of these people: one of two courses in the first slot, the same in the second."""
    return [
        Sitting(PEOPLE[number], slot, f"{slot}{number % 2 if slot == 1 else 0:04}")
        for number in numbers
        for slot in (1, 2)
    ]


def by_person(sittings: Sequence[Sitting]) -> dict[str, list[tuple[int, str]]]:
    """Slot and course of everybody, in the order of ids."""
    return {
        person: [(slot, course) for _, slot, course in taken]
        for person, taken in groupby(sorted(sittings), key=lambda sitting: sitting[0])
    }


def content(plan: Plan) -> Any:
    """The plan as it is in the exported file."""
    return json.loads(zlib.decompress(plan.to_bytes()))


def test_the_book_is_enough_to_draw_again() -> None:
    """Two sites, two slots, courses over several rooms, accessible seats: every seat the same."""
    sittings, needing = sittings_of(range(39)), {PEOPLE[n] for n in (2, 7, 19)}
    roster = Roster.of(sittings, needing)
    plan = planned(roster, ROOMS)
    by_book = drawn_by_the_book(content(plan), by_person(sittings), needing, SEED)
    seats = draw(plan, roster, SEED)
    assert len({way.kind for way in plan.itineraries}) < len(plan.itineraries)
    assert [seat[:6] for seat in seats] == by_book
    lines = "".join(" ".join(map(str, seat)) + "\n" for seat in by_book)
    assert hashlib.sha256(lines.encode()).digest() == seats_sha256(seats)


def test_the_book_is_enough_for_late_changes() -> None:
    """Six have come, three have gone, a room was closed, nine need an accessible seat."""
    needing = {PEOPLE[n] for n in (2, 7)}
    before = Roster.of(sittings_of(range(39)), needing)
    published = draw(planned(before, ROOMS), before, bytes(32))
    sittings, needing = sittings_of(range(3, 45)), {PEOPLE[n] for n in NEEDING_LATE}
    rooms = [replace(ROOMS[0], use=RoomUse.CLOSED), *ROOMS[1:]]
    roster = Roster.of(sittings, needing)
    plan = make_plan(roster, rooms, published, lambda *_: None)
    old = [seat[:6] for seat in published]
    by_book = changed_by_the_book(content(plan), by_person(sittings), needing, old)
    assert [seat[:6] for seat in draw(plan, roster, SEED, published)] == by_book
    assert 0 < len(set(old) & set(by_book)) < len(by_book)
