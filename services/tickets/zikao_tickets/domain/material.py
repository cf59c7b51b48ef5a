"""All that an arrangement is made from, and how one sees that it has changed."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from zikao_tickets.domain.rooms import Room
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seating import Seat


@dataclass(frozen=True)
class Material:
    """A county's people and rooms (in the order in which they are filled).

    `published` has the seats of `in_force`, which are kept as far as can be; nothing for an
    arrangement that is made anew.
    """

    roster: Roster
    rooms: Sequence[Room]
    in_force: UUID | None
    published: Sequence[Seat] | None

    def sha256(self) -> bytes:
        """The same while a plan that was made from it still fits, 32 bytes."""
        return material_digest(
            self.roster.sha256(), self.rooms, self.in_force, keeps=self.published is not None
        )


def material_digest(
    roster_sha256: bytes, rooms: Sequence[Room], in_force: UUID | None, *, keeps: bool
) -> bytes:
    """`Material.sha256` of parts; `keeps` whether published seats are kept."""
    lines = [
        " ".join((room.site_code, room.code, str(room.capacity), room.use, _numbers(room)))
        for room in rooms
    ]
    whole = "\n".join([roster_sha256.hex(), str(in_force), str(keeps), *lines])
    return hashlib.sha256(whole.encode()).digest()


def _numbers(room: Room) -> str:
    return ",".join(map(str, sorted(room.accessible)))


def seats_sha256(seats: Sequence[Seat]) -> bytes:
    """SHA-256 of a line for each seat in the order of slot, site, room and number, 32 bytes."""
    lines = [
        f"{slot} {site} {room} {number} {candidate} {course}{' late' if late else ''}\n"
        for slot, site, room, number, candidate, course, late in sorted(seats)
    ]
    return hashlib.sha256("".join(lines).encode()).digest()
