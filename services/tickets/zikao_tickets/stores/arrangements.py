"""Arrangements, their seats and the tickets they make; bound to the running transaction."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Sitting
from zikao_tickets.domain.seating import Seat
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.domain.violations import Violation

# So many are encoded in some milliseconds; the event loop waits for it.
SEATS_PER_INSERT = 5000


class ArrangementStore:
    """One method a named query; seats are replaced by a delete and inserts.

    A big county has a hundred thousand seats: what goes over all of them is done in a thread.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def insert(self, arrangement: Arrangement, started_by: str) -> bool:
        """Add a pending arrangement; False while another of the county is in progress."""
        inserted = await self._tx.fetchval(
            "insert_arrangement",
            arrangement.arrangement_id,
            arrangement.session_code,
            arrangement.county_code,
            arrangement.seed_enc,
            arrangement.seed_sha256,
            arrangement.started_at,
            started_by,
        )
        return inserted is not None

    async def load(self, arrangement_id: UUID) -> Arrangement | None:
        """The arrangement, if there is one."""
        return _arrangement(await self._tx.fetchrow("load_arrangement", arrangement_id))

    async def lock(self, arrangement_id: UUID) -> Arrangement | None:
        """The same, locked until the transaction ends."""
        return _arrangement(await self._tx.fetchrow("lock_arrangement", arrangement_id))

    async def lease(self, source: str, lease: timedelta) -> UUID | None:
        """Take the oldest arrangement nobody works on, as running, for as long as `lease`.

        Only one for which the feed of `source` has brought all that was there when it was
        requested.
        """
        found: UUID | None = await self._tx.fetchval("lease_arrangement", source, lease)
        return found

    async def give_up(self, max_attempts: int) -> list[UUID]:
        """Fail the arrangements that were left that often without an end; return which."""
        rows = await self._tx.fetch("give_up_arrangements", max_attempts)
        return [row["arrangement_id"] for row in rows]

    async def hold_rooms(self, session_code: str) -> None:
        """Let no session file change the rooms until the transaction ends."""
        await self._tx.execute("hold_session", session_code)

    async def in_force(self, session_code: str, county_code: str) -> UUID | None:
        """The county's published arrangement, if there is one."""
        found: UUID | None = await self._tx.fetchval(
            "find_arrangement_in_force", session_code, county_code
        )
        return found

    async def seats(self, arrangement_id: UUID) -> list[Seat]:
        """The seats of an arrangement."""
        rows = await self._tx.fetch("list_seats", arrangement_id)
        return await asyncio.to_thread(_seats, rows)

    async def sittings(self, session_code: str, county_code: str) -> list[Sitting]:
        """Every sitting of the county."""
        rows = await self._tx.fetch("list_county_sittings", session_code, county_code)
        return await asyncio.to_thread(_sittings, rows)

    async def rooms(self, session_code: str, county_code: str) -> list[Room]:
        """The county's rooms that are not closed, in the order in which they are filled."""
        rows = await self._tx.fetch("list_county_rooms", session_code, county_code)
        return [
            Room(
                site_code=row["site_code"],
                code=row["room_code"],
                capacity=row["capacity"],
                accessible=frozenset(row["accessible"]),
                use=RoomUse(row["use"]),
            )
            for row in rows
        ]

    async def replace_seats(
        self, arrangement_id: UUID, session_code: str, seats: Sequence[Seat]
    ) -> None:
        """Make these the seats of the arrangement."""
        await self._tx.execute("delete_seats", arrangement_id)
        for at in range(0, len(seats), SEATS_PER_INSERT):
            some = columns((seat[:6] for seat in seats[at : at + SEATS_PER_INSERT]), 6)
            await self._tx.execute("insert_seats", arrangement_id, session_code, *some)

    async def finish(
        self, arrangement_id: UUID, seats: Sequence[Seat], based_on: UUID | None
    ) -> None:
        """Every sitting has its seat, found with those of `based_on` in mind."""
        candidates, rooms = await asyncio.to_thread(_counts, seats)
        await self._tx.execute(
            "finish_arrangement", arrangement_id, candidates, len(seats), rooms, based_on
        )

    async def fail(self, arrangement_id: UUID, failure: str) -> None:
        """It could not be made; `failure` says why, in Chinese. Only one that is running."""
        await self._tx.execute("fail_arrangement", arrangement_id, failure)

    async def violations(self, arrangement_id: UUID) -> list[Violation]:
        """What the independent checker finds."""
        rows = await self._tx.fetch("check_arrangement", arrangement_id)
        return [Violation(row["violation"], row["slot"], row["subject"]) for row in rows]

    async def unknown_candidates(self, arrangement_id: UUID) -> int:
        """Seated people the candidate feed has not brought yet."""
        return int(await self._tx.fetchval("count_unknown_candidates", arrangement_id))

    async def lock_county(self, session_code: str, county_code: str) -> None:
        """Let nobody else publish for the county until the transaction ends."""
        await self._tx.execute("lock_county", session_code, county_code)

    async def supersede(self, arrangement_id: UUID) -> None:
        """End an arrangement that is in force."""
        await self._tx.execute("supersede_arrangement", arrangement_id)

    async def revoke_changed_tickets(self, arrangement_id: UUID, now: datetime) -> None:
        """End the county's tickets whose seats are not exactly those of the arrangement."""
        await self._tx.execute("revoke_changed_tickets", arrangement_id, now)

    async def issue_tickets(self, arrangement_id: UUID, now: datetime) -> None:
        """Make a ticket, or its next version, for everyone of the arrangement who has none."""
        await self._tx.execute("issue_tickets", arrangement_id, now)

    async def put_in_force(self, arrangement_id: UUID, now: datetime, actor: str) -> None:
        """Make it the county's arrangement; no other may be in force."""
        await self._tx.execute("publish_arrangement", arrangement_id, now, actor)


def _sittings(rows: Sequence[Any]) -> list[Sitting]:
    return [Sitting(str(row["candidate_id"]), row["slot"], row["course_code"]) for row in rows]


def _seats(rows: Sequence[Any]) -> list[Seat]:
    return [Seat(**{**dict(row), "candidate_id": str(row["candidate_id"])}) for row in rows]


def _counts(seats: Sequence[Seat]) -> tuple[int, int]:
    """Candidates, and rooms in use over all slots."""
    candidates = {seat.candidate_id for seat in seats}
    return len(candidates), len({(seat.slot, seat.site_code, seat.room_code) for seat in seats})


def _arrangement(row: Any) -> Arrangement | None:
    if row is None:
        return None
    return Arrangement(**{**dict(row), "state": ArrangementState(row["state"])})
