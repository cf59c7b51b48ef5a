"""The waiting room before an opening: places, the draw, whose turn it is (docs/waiting-room.md).

Those who wait at the opening get the numbers 1, 2, … in an order that is drawn; who comes later
gets the numbers behind, first come, first served. Numbers are admitted one after the other, and
`admitted_until` says how far.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_enrollment.domain.orders import NotYetKnown, Standing
from zikao_enrollment.domain.timetable import TRACK_NAMES_ZH, Session, Track, Window

# Who waits asks so often at most, and at least; who may be drawn within, soon after the draw.
SHORTEST_PAUSE = timedelta(seconds=2)
LONGEST_PAUSE = timedelta(seconds=30)
AFTER_DRAW = timedelta(seconds=3)
# Where nobody can say how long it will take.
USUAL_PAUSE = timedelta(seconds=5)


class RoomState(StrEnum):
    """Before the draw; after it, when submitting needs a pass; and when it needs none."""

    WAITING = "waiting"
    ADMITTING = "admitting"
    OPEN = "open"


class PlaceState(StrEnum):
    """How a place stands, as the contract says."""

    WAITING = "waiting"
    QUEUED = "queued"
    ADMITTED = "admitted"
    LAPSED = "lapsed"
    OPEN = "open"


# After them nothing more is to be told of a place.
LAST_STATES = frozenset({PlaceState.ADMITTED, PlaceState.LAPSED, PlaceState.OPEN})


class RoomKey(NamedTuple):
    """Which room: each track of a session may have one."""

    session_code: str
    track: Track


@dataclass(frozen=True)
class Room:
    """A room as it stands. `committed` and `seed` are secret until the draw; `pass_key` stays so.

    `drawn_count` candidates were there at the draw, `late_count` numbers were given since.
    `rate` is how many were admitted a second of late, None when that is not known; `ceiling`
    what an office allows at most, None for as many as can be.
    """

    key: RoomKey
    state: RoomState
    committed: bytes = field(repr=False)
    committed_hash: bytes
    fresh: bytes | None = field(repr=False)
    seed: bytes | None = field(repr=False)
    pass_key: bytes = field(repr=False)
    drawn_count: int | None
    late_count: int
    admitted_until: int
    rate: float | None
    ceiling: float | None
    held: bool
    opened_at: datetime
    drawn_at: datetime | None

    @property
    def last_number(self) -> int:
        """The highest number that somebody has; 0 before the draw."""
        return (self.drawn_count or 0) + self.late_count

    @property
    def queued(self) -> int:
        """How many numbers are not admitted yet."""
        return self.last_number - self.admitted_until

    @property
    def is_gating(self) -> bool:
        """Whether submitting needs a pass."""
        return self.state is not RoomState.OPEN


class PlaceRow(NamedTuple):
    """A place as it is stored: whether it was there at the draw, and its late number, if any.

    A late number counts from 1 behind those of the draw, and in place of the drawn one.
    """

    candidate_id: UUID
    drawn: bool
    late_number: int | None


class Admission(NamedTuple):
    """The numbers after `after` up to `until` were admitted at one moment."""

    after: int
    until: int
    at: datetime


class Place(NamedTuple):
    """A candidate's place, as of one moment; `number` is 0 where there is none (yet)."""

    track: Track
    state: PlaceState
    number: int
    admitted_until: int
    opens_at: datetime
    # Until when a pass is good, of one that is admitted.
    expires_at: datetime | None = None
    estimated_wait: timedelta | None = None


def is_live(window: Window, now: datetime) -> bool:
    """Whether the room of a window may be entered at `now`; never where there is none."""
    room = window.waiting_room
    return room is not None and window.opens_at - room.opens_before <= now < window.closes_at


def closed_error(window: Window) -> DomainError:
    """WAITING_ROOM_CLOSED with the times at which the window's room may be entered."""
    assert window.waiting_room is not None
    return DomainError(
        "WAITING_ROOM_CLOSED",
        opens_at=(window.opens_at - window.waiting_room.opens_before).isoformat(),
        closes_at=window.closes_at.isoformat(),
    )


def window_to_join(session: Session, candidate: Standing | None, now: datetime) -> Window:
    """The window before which the candidate may wait at `now`; without a room there is no need to.

    Raises NOT_ELIGIBLE (NotYetKnown for a stranger), TRACK_NOT_OFFERED, WAITING_ROOM_CLOSED.
    """
    if candidate is None:
        raise NotYetKnown
    candidate.require_eligible()
    window = session.window_by_track.get(candidate.track)
    if window is None:
        raise DomainError("TRACK_NOT_OFFERED", track=TRACK_NAMES_ZH[candidate.track])
    if window.waiting_room is not None and not is_live(window, now):
        raise closed_error(window)
    return window


def open_place(window: Window) -> Place:
    """What who comes to a window is told that needs no pass."""
    return Place(window.track, PlaceState.OPEN, 0, 0, window.opens_at)


def needs_pass_error() -> DomainError:
    """ADMISSION_PASS_NEEDED, of who submits without one while the room is not open."""
    return DomainError("ADMISSION_PASS_NEEDED")


def seed_of(committed: bytes, fresh: bytes) -> bytes:
    """The seed of a draw: of what was committed to before, and of what nobody knew before."""
    return hashlib.sha256(committed + fresh).digest()


def score(seed: bytes, candidate_id: UUID) -> bytes:
    """What a candidate has drawn: the lowest is first."""
    return hashlib.sha256(seed + candidate_id.bytes).digest()


def draw(seed: bytes, candidates: Iterable[UUID]) -> dict[UUID, int]:
    """Everybody's number, from 1: the order of all is as likely as any other.

    Anybody with the seed and the ids finds the same. 300,000 take a second, in which no other
    thread waits long: a part is sorted at a time, those whose scores begin with the same byte.
    """
    owners = {score(seed, each): each for each in candidates}
    parts: list[list[bytes]] = [[] for _ in range(256)]
    for found in owners:
        parts[found[0]].append(found)
    order = (found for part in parts for found in sorted(part))
    return {owners[found]: number for number, found in enumerate(order, 1)}


def number_of_late(room: Room, late_number: int) -> int:
    """The number that belongs to a late number; the room must be drawn."""
    assert room.drawn_count is not None
    return room.drawn_count + late_number


def admitted_at(admissions: Sequence[Admission], number: int) -> datetime | None:
    """When a number was admitted; None when it is not. `admissions` are in their order."""
    found = bisect_left(admissions, number, key=attrgetter("until"))
    return admissions[found].at if found < len(admissions) else None


def place_of(
    window: Window, room: Room, number: int, admissions: Sequence[Admission], now: datetime
) -> Place:
    """How the place with a number stands at `now`; number 0: it was not drawn yet.

    A window from which the room was taken away is open to all who wait.
    """
    place = Place(window.track, PlaceState.WAITING, number, room.admitted_until, window.opens_at)
    if window.waiting_room is None or not room.is_gating:
        return place._replace(state=PlaceState.OPEN)
    if not number:
        return place
    turn = admitted_at(admissions, number)
    if turn is None:
        wait = estimated_wait(room, number)
        return place._replace(state=PlaceState.QUEUED, estimated_wait=wait)
    expires_at = turn + window.waiting_room.pass_life
    if now >= expires_at:
        return place._replace(state=PlaceState.LAPSED)
    return place._replace(state=PlaceState.ADMITTED, expires_at=expires_at)


def estimated_wait(room: Room, number: int) -> timedelta | None:
    """How long it takes until a number is admitted at the rate of late, in whole seconds."""
    if room.held or not room.rate:
        return None
    return timedelta(seconds=max(1, ceil((number - room.admitted_until) / room.rate)))


def ask_again_after(place: Place, now: datetime, spread: float) -> timedelta | None:
    """When who asks should ask again; None when there is something else to do.

    `spread`, from 0 to 1, keeps those apart who have asked together.
    """
    if place.state is PlaceState.WAITING:
        left = place.opens_at - now
        if timedelta(0) < left <= LONGEST_PAUSE:
            return left + AFTER_DRAW * spread
        pause = LONGEST_PAUSE if left > LONGEST_PAUSE else SHORTEST_PAUSE
    elif place.state is PlaceState.QUEUED:
        pause = USUAL_PAUSE if place.estimated_wait is None else place.estimated_wait / 2
    else:
        return None
    return min(max(pause, SHORTEST_PAUSE), LONGEST_PAUSE) * (0.75 + spread / 2)
