"""What an arrangement is made of and what comes of it; bound to the running transaction."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_tickets.domain.certificate import SlotProof
from zikao_tickets.domain.rooms import Room, RoomUse
from zikao_tickets.domain.roster import Roster
from zikao_tickets.domain.seating import Seat
from zikao_tickets.domain.violations import WHOLE_COUNTY, Violation

SEAT_COLUMNS = (
    "arrangement_id",
    "session_code",
    "slot",
    "site_code",
    "room_code",
    "seat_number",
    "candidate_id",
    "course_code",
    "late",
)


class StoredPlan(NamedTuple):
    """A plan's bytes, the digest of all that it was made for, and who needs an accessible seat."""

    input_sha256: bytes
    plan: bytes
    accessible: Sequence[UUID]


class SeatingStore:
    """One method a named query.

    A big county has a hundred thousand seats: what goes over all of them is done in a thread.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def forget(self, arrangement_ids: Sequence[UUID]) -> None:
        """Delete seats and plans; what they came to stays with the arrangements."""
        await self._tx.execute("delete_discarded_seats", arrangement_ids)
        await self._tx.execute("delete_discarded_plans", arrangement_ids)

    async def hold_rooms(self, session_code: str) -> None:
        """Let no session file change the rooms until the transaction ends."""
        await self._tx.execute("hold_session", session_code)

    async def roster(self, session_code: str, county_code: str) -> Roster:
        """Who sits what in the county, and who needs an accessible seat."""
        return Roster(await self._tx.fetchval("write_roster", session_code, county_code))

    async def rooms(self, session_code: str, county_code: str) -> list[Room]:
        """The county's rooms in the order in which they are filled, closed ones too."""
        rows = await self._tx.fetch("list_arrangeable_rooms", session_code, county_code)
        return [
            Room(
                row["site_code"],
                row["room_code"],
                row["capacity"],
                frozenset(row["accessible"]),
                RoomUse(row["use"]),
            )
            for row in rows
        ]

    async def seats(self, arrangement_id: UUID) -> list[Seat]:
        """The seats of an arrangement."""
        rows = await self._tx.fetch("list_seats", arrangement_id)
        return await asyncio.to_thread(_seats, rows)

    async def seats_after(self, arrangement_id: UUID, done: int, limit: int) -> list[Seat]:
        """At most `limit` seats after the first `done`, in the same order."""
        return _seats(await self._tx.fetch("list_seats_after", arrangement_id, done, limit))

    async def save_plan(
        self, arrangement_id: UUID, plan: StoredPlan, proofs: Sequence[SlotProof]
    ) -> None:
        """Keep what was solved, before anybody is drawn."""
        await self._tx.execute("save_plan", arrangement_id, *plan)
        await self._tx.execute("delete_slots", arrangement_id)
        slots = json.dumps([_slot(proof) for proof in proofs])
        await self._tx.execute("insert_slots", arrangement_id, slots)

    async def plan(self, arrangement_id: UUID) -> StoredPlan | None:
        """The plan, if it has been found."""
        row = await self._tx.fetchrow("load_plan", arrangement_id)
        return None if row is None else StoredPlan(*row)

    async def replace_seats(self, arrangement_id: UUID, rows: bytes) -> None:
        """Make these the seats of the arrangement; `rows` as COPY reads SEAT_COLUMNS."""
        await self._tx.execute("delete_seats", arrangement_id)
        await self._tx.copy("tickets.seat", SEAT_COLUMNS, rows)

    async def seats_digest(self, arrangement_id: UUID) -> bytes:
        """SHA-256 of the seats as they are stored."""
        return bytes(await self._tx.fetchval("compute_seats_digest", arrangement_id))

    async def violations(self, arrangement_id: UUID) -> list[Violation]:
        """What the independent checker finds, in the seats and in the proof."""
        await self._tx.execute("join_by_hashing", "off")
        seats = await self._tx.fetch("check_arrangement", arrangement_id)
        await self._tx.execute("join_by_hashing", "on")
        proof = await self._tx.fetch("check_proof", arrangement_id)
        return [
            Violation(row["violation"], row["slot"] or WHOLE_COUNTY, row["subject"])
            for row in (*seats, *proof)
        ]


def _seats(rows: Sequence[Any]) -> list[Seat]:
    return [Seat(**{**dict(row), "candidate_id": str(row["candidate_id"])}) for row in rows]


def _slot(proof: SlotProof) -> dict[str, Any]:
    return {
        "slot": proof.slot,
        "rooms": proof.rooms,
        "rooms_bound": proof.bound,
        "proof_kind": proof.kind,
        "denominator": proof.denominator,
        "weights": proof.weights,
        "capacities": [size.capacity for size in proof.sizes],
        "room_counts": [size.rooms for size in proof.sizes],
        "prices": [size.price for size in proof.sizes],
        "packs": proof.packs,
        "packs_bound": proof.packs_bound,
    }
