"""docs/tickets.md, "Checking a draw", followed to the letter by code that shares nothing."""

import hashlib
import hmac
import json
import zlib
from collections.abc import Iterator, Sequence
from itertools import count, groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from support.tickets_arranging import planned
from zikao_tickets.domain.material import seats_sha256
from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster, Sitting
from zikao_tickets.domain.seating import draw

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


def test_the_example_of_the_book_is_right() -> None:
    """What it says of one label is what comes out."""
    example = " ".join(shuffled(SEED, "seat:1:A:001", "abcdefgh"))
    assert f"makes of `a b c d e f g h`: `{example}`" in BOOK.read_text("utf-8")


def test_the_book_is_enough_to_draw_again() -> None:
    """Two sites, two slots, courses over several rooms, accessible seats: every seat the same."""
    rooms = [
        Room(site, f"{number:03}", 6, frozenset({2, 5})) for site in "AB" for number in range(1, 5)
    ]
    sittings = [
        Sitting(str(UUID(int=n * 7919)), slot, f"{slot}{n % 2 if slot == 1 else 0:04}")
        for n in range(1, 40)
        for slot in (1, 2)
    ]
    needing = {str(UUID(int=n * 7919)) for n in (3, 8, 20)}
    roster = Roster.of(sittings, needing)
    plan = planned(roster, rooms)
    people = {
        person: [(slot, course) for _, slot, course in taken]
        for person, taken in groupby(sorted(sittings), key=lambda sitting: sitting[0])
    }
    by_book = drawn_by_the_book(json.loads(zlib.decompress(plan.to_bytes())), people, needing, SEED)
    seats = draw(plan, roster, SEED)
    assert len({way.kind for way in plan.itineraries}) < len(plan.itineraries)
    assert [seat[:6] for seat in seats] == by_book
    lines = "".join(" ".join(map(str, seat)) + "\n" for seat in by_book)
    assert hashlib.sha256(lines.encode()).digest() == seats_sha256(seats)
