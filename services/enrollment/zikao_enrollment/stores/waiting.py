"""The waiting room: one method a named query of `waiting.sql`."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Record, Transaction

from zikao_enrollment.domain.timetable import Track
from zikao_enrollment.domain.waiting import Admission, PlaceRow, Room, RoomKey, RoomState

NOBODY = UUID(int=0)


class Cursor(NamedTuple):
    """Where a reader of places stands: it has seen all that come before."""

    xid: str = "0"
    candidate_id: UUID = NOBODY


class Snapshot(NamedTuple):
    """What a reading sees: all transactions before `until` but those that run (or came to naught).

    So the next one has to look for what these have changed, and for what comes from `until` on.
    """

    until: str
    running: Sequence[str]


class WaitingStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def rooms(self) -> dict[RoomKey, Room]:
        """All rooms that have been opened."""
        rows = await self._tx.fetch("list_waiting_rooms")
        return {room.key: room for room in map(_room, rows)}

    async def open(self, key: RoomKey, committed: bytes, pass_key: bytes, now: datetime) -> None:
        """Open a room; nothing where that has been done."""
        await self._tx.execute("open_waiting_room", *key, committed, pass_key, now)

    async def is_drawn(self, key: RoomKey) -> bool:
        """Whether the order was drawn: it is not, and will not be, until the transaction ends.

        The room must be there.
        """
        row = await self._tx.fetchrow("lock_waiting_room_to_come_in", *key)
        return _there(row)["drawn_count"] is not None

    async def lock_late(self, key: RoomKey) -> int:
        """How many late numbers were given; nobody else gives one until the transaction ends."""
        late_count: int = _there(await self._tx.fetchrow("lock_waiting_room_to_come_late", *key))[
            "late_count"
        ]
        return late_count

    async def lock_to_draw(self, key: RoomKey) -> bool:
        """Whether a room is still to be drawn; nobody comes in until the transaction ends."""
        row = await self._tx.fetchrow("lock_waiting_room_to_draw", *key)
        return row is not None and row["drawn_count"] is None

    async def count(self, key: RoomKey) -> int:
        """How many places there are."""
        count: int = await self._tx.fetchval("count_waiting_places", *key)
        return count

    async def draw(self, key: RoomKey, fresh: bytes, drawn_count: int, now: datetime) -> None:
        """Draw the order of those who are there, by a seed with `fresh` in it."""
        await self._tx.execute("draw_waiting_room", *key, fresh, drawn_count, now)

    async def add(self, key: RoomKey, candidates: Iterable[UUID], now: datetime) -> None:
        """Give places to those who have none, before the draw."""
        await self._tx.execute("add_waiting_places", *key, list(candidates), now)

    async def places(self, key: RoomKey, candidates: Collection[UUID]) -> dict[UUID, PlaceRow]:
        """The places of those candidates who have one."""
        rows = await self._tx.fetch("list_waiting_places", *key, list(candidates))
        return {row["candidate_id"]: _place(row) for row in rows}

    async def give_late_numbers(
        self, key: RoomKey, numbers: Mapping[UUID, int], now: datetime
    ) -> None:
        """Give numbers behind those of the draw, to who has a place and to who has none."""
        await self._tx.execute("give_late_numbers", *key, *columns(numbers.items(), 2), now)
        await self._tx.execute("count_late_numbers", *key, len(numbers))

    async def snapshot(self) -> Snapshot:
        """What this transaction sees of others."""
        row = await self._tx.fetchrow("current_snapshot")
        assert row is not None
        return Snapshot(row["until"], row["running"])

    async def places_changed_by(self, key: RoomKey, xids: Sequence[str]) -> list[PlaceRow]:
        """The places that were changed last by transactions."""
        rows = await self._tx.fetch("list_places_changed_by", *key, xids)
        return [_place(row) for row in rows]

    async def changed_places(
        self, key: RoomKey, since: Cursor, limit: int
    ) -> tuple[list[PlaceRow], Cursor]:
        """At most `limit` places that come after the cursor, and the cursor after them."""
        rows = await self._tx.fetch("list_changed_places", *key, *since, limit)
        if rows:
            since = Cursor(rows[-1]["changed_xid"], rows[-1]["candidate_id"])
        return [_place(row) for row in rows], since

    async def admissions(self, key: RoomKey, after: int) -> Sequence[Admission]:
        """Who was admitted when, beyond a number, in the order of numbers."""
        rows = await self._tx.fetch("list_waiting_admissions", *key, after)
        return [
            Admission(row["admitted_from"], row["admitted_until"], row["admitted_at"])
            for row in rows
        ]


def _there(row: Record | None) -> Record:
    if row is None:
        raise LookupError("the waiting room was not opened")
    return row


def _place(row: Record) -> PlaceRow:
    return PlaceRow(row["candidate_id"], row["drawn"], row["late_number"])


def _room(row: Record) -> Room:
    return Room(
        key=RoomKey(row["session_code"], Track(row["track"])),
        state=RoomState(row["state"]),
        committed=row["committed"],
        committed_hash=row["committed_hash"],
        fresh=row["fresh"],
        seed=row["seed"],
        pass_key=row["pass_key"],
        drawn_count=row["drawn_count"],
        late_count=row["late_count"],
        admitted_until=row["admitted_until"],
        rate=row["rate"],
        ceiling=row["ceiling"],
        held=row["held"],
        opened_at=row["opened_at"],
        drawn_at=row["drawn_at"],
    )
