"""One room that may be entered now: whose place is where, kept in memory.

All places are read once, and then what has changed, so that a hundred thousand who ask for theirs
cost the database nothing. The draw is no write a place, either: every process finds the same
numbers from the seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import structlog

from zikao_enrollment.domain.passes import Pass, pass_to_text
from zikao_enrollment.domain.timetable import Window
from zikao_enrollment.domain.waiting import (
    Admission,
    Place,
    PlaceRow,
    PlaceState,
    Room,
    RoomKey,
    draw,
    number_of_late,
    place_of,
)
from zikao_enrollment.stores.waiting import Cursor, Snapshot, WaitingStore

# Some 15 ms of work, between which calls have their turn.
PLACES_AT_ONCE = 5000

log = structlog.get_logger()


class LiveRoom:
    """A room as this process knows it; about 200 bytes a place."""

    def __init__(self, key: RoomKey, window: Window) -> None:
        self.key = key
        self.window = window
        self.room: Room | None = None
        self.admissions: list[Admission] = []
        self._cursor = Cursor()
        # Transactions that ran beside the last reading: it saw nothing of them.
        self._unseen: Sequence[str] = ()
        self._reading: _Reading | None = None
        # Who is to be drawn, or the numbers drawn; and late numbers in place of these.
        self._waiting: set[UUID] = set()
        self._drawn: dict[UUID, int] = {}
        self._late: dict[UUID, int] = {}

    def understands(self, row: PlaceRow) -> bool:
        """Whether enough is known of the room to say how a stored place stands."""
        if self.room is None:  # opened a moment ago
            return False
        return self.room.drawn_count is not None or row.late_number is None

    def note(self, rows: Iterable[PlaceRow]) -> None:
        """Take places as they are stored."""
        for candidate_id, drawn, late_number in rows:
            if late_number is not None:
                self._late[candidate_id] = late_number
            if drawn and not self._drawn:
                self._waiting.add(candidate_id)

    @property
    def admitted_until(self) -> int:
        """The last number that has been admitted, as `place` knows it."""
        return self.admissions[-1].until if self.admissions else 0

    @property
    def looks(self) -> tuple[object, ...]:
        """When this has become another one, so may have all places: drawn, opened, held, away."""
        if self.room is None:
            return ()
        is_away = self.window.waiting_room is None
        return (self.room.state, self.room.held, self.is_numbered, is_away)

    @property
    def is_numbered(self) -> bool:
        """Whether the numbers of the draw are known."""
        return bool(self._drawn)

    def has(self, candidate_id: UUID) -> bool:
        """Whether the candidate is known to have a place."""
        return any(candidate_id in known for known in (self._waiting, self._drawn, self._late))

    def place(self, candidate_id: UUID, now: datetime) -> Place | None:
        """The candidate's place; None where there is none, or it is not known yet."""
        number = self._number(candidate_id)
        if self.room is None or number is None:
            return None
        return place_of(self.window, self.room, number, self.admissions, now)

    def has_lapsed(self, row: PlaceRow, now: datetime) -> bool:
        """Whether a stored place has let its turn pass, as far as is known here."""
        if self.room is None or self.room.drawn_count is None:
            return False
        if row.late_number is not None:
            number = number_of_late(self.room, row.late_number)
        else:
            number = self._drawn.get(row.candidate_id, 0)
        place = place_of(self.window, self.room, number, self.admissions, now)
        return place.state is PlaceState.LAPSED

    def pass_of(self, candidate_id: UUID, place: Place) -> str:
        """The pass of an admitted place; "" of another one. The same whoever asks, and when."""
        if self.room is None or place.expires_at is None:
            return ""
        held = Pass(place.track, candidate_id, place.number, place.expires_at)
        return pass_to_text(held, self.key.session_code, self.room.pass_key)

    async def read(self, store: WaitingStore) -> bool:
        """Read what has changed, after the room itself in the same snapshot; True if not all.

        A place bears the transaction that has changed it. What commits late is read all the
        same: the next reading looks for what transactions that ran in this one have changed.
        Not for all since the oldest of them, which may be an import that takes hours.
        """
        last = self.admissions[-1].until if self.admissions else 0
        self.admissions += await store.admissions(self.key, last)
        is_drawn = self.room is not None and self.room.drawn_count is not None
        if self._reading is None:
            reading = _Reading(await store.snapshot(), is_drawn)
            if self._unseen:
                self.note(await store.places_changed_by(self.key, self._unseen))
            self._reading = reading
        rows, self._cursor = await store.changed_places(self.key, self._cursor, PLACES_AT_ONCE)
        self.note(rows)
        if len(rows) == PLACES_AT_ONCE:
            return True
        (until, running), was_drawn = self._reading
        self._cursor, self._reading = Cursor(until), None
        self._unseen = running
        return is_drawn and not was_drawn  # it may have missed who came in just before the draw

    async def find_numbers(self) -> None:
        """Find the numbers of a draw, once all who were drawn are known here."""
        room = self.room
        if room is None or room.seed is None or self._drawn or not room.drawn_count:
            return
        if len(self._waiting) != room.drawn_count:
            log.error("places are missing", known=len(self._waiting), drawn=room.drawn_count)
            if len(self._waiting) > room.drawn_count:
                # A failover has lost the last of them: who is left is read again.
                self._waiting.clear()
            self._cursor, self._unseen, self._reading = Cursor(), (), None
            return
        self._drawn = await asyncio.to_thread(draw, room.seed, [*self._waiting])
        self._waiting.clear()
        log.info("a waiting room was drawn", room=":".join(self.key), count=room.drawn_count)

    def _number(self, candidate_id: UUID) -> int | None:
        late = self._late.get(candidate_id)
        if late is not None and self.room is not None and self.room.drawn_count is not None:
            return number_of_late(self.room, late)
        if self._drawn:
            return self._drawn.get(candidate_id)
        return 0 if candidate_id in self._waiting else None


class _Reading(NamedTuple):
    """Of several parts: what the first one saw, and whether the room was drawn in it."""

    snapshot: Snapshot
    was_drawn: bool
