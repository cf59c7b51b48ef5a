"""How candidates come into a waiting room, and what they are told of their places.

Those who come in are many in a moment: they are let in by the batch, as submissions are seated.
No answer is stored: whoever asks again, in whatever tab and of whatever process, has one place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple
from uuid import NAMESPACE_OID, UUID, uuid5

from zikao_kit.batcher import Batcher, BatchMetrics
from zikao_kit.clock import Clock
from zikao_kit.db import Database, Transaction
from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.idempotency import RequestKey

from zikao_enrollment.commands.draw_waiting_room import draw_room, open_room
from zikao_enrollment.commands.join_waiting_room import join_room
from zikao_enrollment.converts.waiting import joined_to_bytes
from zikao_enrollment.domain.orders import Standing
from zikao_enrollment.domain.timetable import Window
from zikao_enrollment.domain.waiting import (
    Place,
    PlaceRow,
    PlaceState,
    RoomKey,
    open_place,
    window_to_join,
)
from zikao_enrollment.stores.candidates import CandidateStore
from zikao_enrollment.stores.waiting import WaitingStore
from zikao_enrollment.views.boards import Boards
from zikao_enrollment.waiting.live_room import LiveRoom
from zikao_enrollment.waiting.rooms import Rooms

JOINS = BatchMetrics("enrollment_room", "joins")
LOOKS = BatchMetrics("enrollment_room_look", "looks")


class Join(NamedTuple):
    """Somebody wants a place in the room of a session that is the candidate's."""

    session_code: str
    candidate_id: UUID


class Shown(NamedTuple):
    """What a candidate is told; "" is no pass."""

    place: Place
    admission_pass: str = ""


class _Stored(NamedTuple):
    key: RoomKey
    row: PlaceRow


# What became of a join: a place, a window that may be entered without one, or a refusal.
_Outcome = _Stored | Window | DomainError


class Joining:
    """Lets candidates in."""

    def __init__(
        self, db: Database, boards: Boards, rooms: Rooms, clock: Clock, *, max_batch: int
    ) -> None:
        self._db = db
        self._boards = boards
        self._rooms = rooms
        self._clock = clock
        self._batcher: Batcher[Join] = Batcher(
            self._decide, JOINS, max_batch=max_batch, in_flight=1
        )
        self._looks: Batcher[Join] = Batcher(self._look, LOOKS, max_batch=max_batch, in_flight=1)

    async def join(self, session_code: str, candidate_id: UUID) -> bytes:
        """The response with the candidate's place, a new one for who has none.

        Raises SESSION_UNKNOWN, NOT_ELIGIBLE (NotYetKnown for a stranger), TRACK_NOT_OFFERED,
        WAITING_ROOM_CLOSED.
        """
        shown = self._known(session_code, candidate_id)
        if shown is not None and shown.place.state is not PlaceState.LAPSED:
            return joined_to_bytes(*shown, self._clock.now())
        return await self._batcher.submit(*_entry(session_code, candidate_id))

    async def place(self, session_code: str, candidate_id: UUID) -> Shown:
        """The candidate's place; raises SESSION_UNKNOWN, and NOT_FOUND for who has none."""
        self._boards.current.require(session_code)
        shown = self._known(session_code, candidate_id)
        if shown is None:
            await self._looks.submit(*_entry(session_code, candidate_id))
            shown = self._known(session_code, candidate_id)
        if shown is None:
            raise DomainError(NOT_FOUND)
        return shown

    def _known(self, session_code: str, candidate_id: UUID) -> Shown | None:
        live = self._rooms.with_place_of(session_code, candidate_id)
        return self._shown(live, candidate_id) if live else None

    def _shown(self, live: LiveRoom, candidate_id: UUID) -> Shown | None:
        place = live.place(candidate_id, self._clock.now())
        return Shown(place, live.pass_of(candidate_id, place)) if place else None

    async def _look(self, entries: Sequence[Join]) -> Sequence[bytes]:
        """Look, once for all who ask, whether another process has just given them places."""
        for live in self._rooms.all_live():
            code = live.key.session_code
            if asking := {each.candidate_id for each in entries if each.session_code == code}:
                async with self._db.read() as tx:
                    rows = await WaitingStore(tx).places(live.key, asking)
                await self._note([_Stored(live.key, row) for row in rows.values()])
        return [b""] * len(entries)

    async def _decide(self, entries: Sequence[Join]) -> Sequence[bytes | DomainError]:
        outcomes = await self._db.run(lambda tx: self._let_in(tx, entries))
        await self._note([outcome for outcome in outcomes if isinstance(outcome, _Stored)])
        return [self._answer(outcome) for outcome in outcomes]

    async def _let_in(self, tx: Transaction, entries: Sequence[Join]) -> Sequence[_Outcome]:
        """Rooms are locked in one order, and each once a batch."""
        candidates = await CandidateStore(tx).find_many({entry.candidate_id for entry in entries})
        outcomes = [self._window_of(entry, candidates.get(entry.candidate_id)) for entry in entries]
        coming: defaultdict[RoomKey, list[int]] = defaultdict(list)
        windows: dict[RoomKey, Window] = {}
        for index, (entry, window) in enumerate(zip(entries, outcomes, strict=True)):
            if isinstance(window, Window) and window.waiting_room is not None:
                key = RoomKey(entry.session_code, window.track)
                coming[key].append(index)
                windows[key] = window
        for key, indexes in sorted(coming.items()):
            if not self._rooms.is_open(key):
                people = [entries[index].candidate_id for index in indexes]
                rows = await self._join(tx, key, windows[key], people)
                for index, row in zip(indexes, rows, strict=True):
                    outcomes[index] = _Stored(key, row)
        return outcomes

    def _window_of(self, entry: Join, candidate: Standing | None) -> _Outcome:
        try:
            session = self._boards.current.require(entry.session_code).session
            return window_to_join(session, candidate, self._clock.now())
        except DomainError as refusal:
            return refusal

    async def _join(
        self, tx: Transaction, key: RoomKey, window: Window, candidates: Sequence[UUID]
    ) -> Sequence[PlaceRow]:
        store, live, now = WaitingStore(tx), self._rooms.live(key), self._clock.now()
        if key not in self._rooms.rows:  # its time has just come
            await open_room(store, key, now)
        is_drawn = self._rooms.is_drawn(key)
        if not is_drawn and now >= window.opens_at:
            # Who let in others, one batch after the other, would keep the draw waiting.
            await draw_room(store, key, now)
            is_drawn = True

        def has_lapsed(row: PlaceRow) -> bool:
            return live is not None and live.has_lapsed(row, now)

        return await join_room(store, key, candidates, has_lapsed, now, is_drawn=is_drawn)

    async def _note(self, stored: Sequence[_Stored]) -> None:
        """Know what is stored, at once."""
        is_read = False
        for key, row in stored:
            live = self._rooms.live(key)
            if not is_read and (live is None or not live.understands(row)):
                await self._rooms.refresh()
                live, is_read = self._rooms.live(key), True
            if live is not None:
                live.note([row])

    def _answer(self, outcome: _Outcome) -> bytes | DomainError:
        if isinstance(outcome, DomainError):
            return outcome
        now = self._clock.now()
        if isinstance(outcome, Window):
            return joined_to_bytes(open_place(outcome), "", now)
        live = self._rooms.live(outcome.key)
        shown = self._shown(live, outcome.row.candidate_id) if live else None
        # The room has closed in this moment: there is nothing to wait for any more.
        return joined_to_bytes(*shown, now) if shown else DomainError(NOT_FOUND)


def _entry(session_code: str, candidate_id: UUID) -> tuple[RequestKey, Join]:
    """One for all tabs of a candidate."""
    key = RequestKey(str(candidate_id), _id_of(session_code), session_code, b"")
    return key, Join(session_code, candidate_id)


@lru_cache(maxsize=64)
def _id_of(session_code: str) -> UUID:
    """What a candidate's joins of a session are collected under."""
    return uuid5(NAMESPACE_OID, session_code)
