"""What an arrangement decides before anybody is drawn: numbers of people, no names.

The plan says how many of a course sit in which room, and how many candidates of a kind go which
way over the sites; who that is, `seating.draw` finds from the seed. So whoever checks a draw needs
no solver.
"""

import json
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, NamedTuple

from zikao_kit.collecting import collecting_later

from zikao_tickets.domain.certificate import ProofKind, RoomSize, SlotProof
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Kind


class GapReason(StrEnum):
    """Why more sittings change site than are proven to have to."""

    MIXED_ROOMS = "mixed_rooms"
    LATE_CHANGES = "late_changes"
    NODE_LIMIT = "node_limit"
    NOT_KNOWN = "not_known"


class Share(NamedTuple):
    """People of a course in a room; `accessible` of them need an accessible seat.

    A `late` one is an exception of a late change: a second room that its course does not fill.
    """

    slot: int
    site_code: str
    room_code: str
    course_code: str
    people: int
    accessible: int = 0
    late: bool = False


class Itinerary(NamedTuple):
    """So many of a kind sit at these sites, one a sitting."""

    kind: Kind
    sites: tuple[str, ...]
    people: int

    @property
    def changes(self) -> int:
        """Sittings away from the site of most of them."""
        return len(self.sites) - max(Counter(self.sites).values())


class Group(NamedTuple):
    """A course in a room, all of which moves."""

    slot: int
    site_code: str
    room_code: str
    course_code: str


@dataclass(frozen=True)
class Figures:
    """What the office is shown; bounds hold for any arrangement of the county."""

    rooms: int
    rooms_bound: int
    packs: int
    packs_bound: int
    changers: int = 0
    site_changes: int = 0
    site_changes_bound: int = 0
    gap_reason: GapReason | None = None
    changed: int = 0
    moved: int = 0
    late_shares: int = 0


@dataclass(frozen=True)
class Plan:
    """An arrangement of a county without names; `rooms` are those in use, as they are filled.

    One that changes a published arrangement (`is_late`) has neither itineraries nor proofs:
    `cleared` groups leave their rooms, whoever else can keep the seat keeps it.
    """

    rooms: tuple[Room, ...]
    shares: tuple[Share, ...]
    itineraries: tuple[Itinerary, ...]
    proofs: tuple[SlotProof, ...]
    figures: Figures
    is_late: bool = False
    cleared: tuple[Group, ...] = field(default=())

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as it is stored: a fifth of what all its parts take."""
        return Plan.from_bytes, (self.to_bytes(),)

    def to_bytes(self) -> bytes:
        """Compressed JSON, about 10 bytes a candidate; the same for the same plan."""
        return self._stored

    @cached_property
    def _stored(self) -> bytes:
        kinds = sorted({each.kind for each in self.itineraries})
        number = {kind: at for at, kind in enumerate(kinds)}
        content = {
            "rooms": [
                [room.site_code, room.code, room.capacity, sorted(room.accessible), room.use]
                for room in self.rooms
            ],
            "shares": self.shares,
            "kinds": kinds,
            "itineraries": [[number[way.kind], way.sites, way.people] for way in self.itineraries],
            "proofs": self.proofs,
            "figures": vars(self.figures),
            "is_late": self.is_late,
            "cleared": self.cleared,
        }
        text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
        return zlib.compress(text.encode())

    @classmethod
    @collecting_later()
    def from_bytes(cls, stored: bytes) -> "Plan":
        """The plan of `to_bytes`. Raises zlib.error, ValueError, KeyError for other bytes."""
        content = json.loads(zlib.decompress(stored))
        kinds = [_kind(each) for each in content["kinds"]]
        figures = content["figures"]
        reason = figures.pop("gap_reason")
        plan = cls(
            rooms=tuple(_room(*each) for each in content["rooms"]),
            shares=tuple(Share(*each) for each in content["shares"]),
            itineraries=tuple(
                Itinerary(kinds[at], tuple(sites), people)
                for at, sites, people in content["itineraries"]
            ),
            proofs=tuple(_proof(each) for each in content["proofs"]),
            figures=Figures(**figures, gap_reason=reason and GapReason(reason)),
            is_late=content["is_late"],
            cleared=tuple(Group(*each) for each in content["cleared"]),
        )
        vars(plan)["_stored"] = stored
        return plan


def _room(site: str, code: str, capacity: int, accessible: Sequence[int], use: str) -> Room:
    return Room(site, code, capacity, frozenset(accessible), RoomUse(use))


def _kind(stored: Any) -> Kind:
    choice, accessible = stored
    return Kind(tuple((slot, course) for slot, course in choice), accessible)


def _proof(stored: Any) -> SlotProof:
    proof = SlotProof(*stored)
    return proof._replace(
        kind=ProofKind(proof.kind),
        weights=tuple(proof.weights),
        sizes=tuple(RoomSize(*size) for size in proof.sizes),
    )
