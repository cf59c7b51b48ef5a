"""The tickets schema: one method a named query. Bound to the running transaction."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from zikao_kit.db import Transaction

from zikao_tickets.columns import columns
from zikao_tickets.domain.arrangement import Room, Seat, Sitting
from zikao_tickets.domain.session import RoomKey, RoomPlan, Session, Site
from zikao_tickets.domain.session_json import session_from_json, session_to_json
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.domain.violations import Violation


class SessionStore:
    """Sessions with their sites and rooms."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def load(self, session_code: str) -> Session | None:
        """The session, or None when it has not been applied."""
        body = await self._tx.fetchval("load_session", session_code)
        return session_from_json(json.loads(body)) if body else None

    async def lock(self, session_code: str) -> Session | None:
        """The session, locked against another apply."""
        body = await self._tx.fetchval("lock_session", session_code)
        return session_from_json(json.loads(body)) if body else None

    async def save(self, session: Session, now: datetime) -> None:
        """Insert or replace the settings."""
        body = json.dumps(session_to_json(session), ensure_ascii=False)
        await self._tx.execute("save_session", session.code, body, now)

    async def sites(self, session_code: str) -> list[Site]:
        """All sites in their order, each with its rooms."""
        rooms: defaultdict[str, list[RoomPlan]] = defaultdict(list)
        for row in await self._tx.fetch("list_rooms", session_code):
            rooms[row["site_code"]].append(RoomPlan(row["room_code"], row["columns"], row["rows"]))
        rows = await self._tx.fetch("list_sites", session_code)
        return [
            Site(
                code=row["site_code"],
                county_code=row["county_code"],
                county_name=row["county_name"],
                name=row["name"],
                address=row["address"],
                rooms=tuple(rooms[row["site_code"]]),
            )
            for row in rows
        ]

    async def seats_in_use(self, session_code: str) -> dict[RoomKey, int]:
        """The highest seat number given in each room."""
        rows = await self._tx.fetch("list_rooms_in_use", session_code)
        return {(row["site_code"], row["room_code"]): row["highest_seat"] for row in rows}

    async def courses_in_use(self, session_code: str) -> set[tuple[int, str]]:
        """Slot and course of every sitting."""
        rows = await self._tx.fetch("list_courses_in_use", session_code)
        return {(row["slot"], row["course_code"]) for row in rows}

    async def replace_sites(
        self, session_code: str, before: Sequence[Site], after: Sequence[Site]
    ) -> None:
        """Make the sites and rooms what they should be."""
        kept = {(site.code, room.code) for site in after for room in site.rooms}
        old = [(site.code, room.code) for site in before for room in site.rooms]
        gone = [key for key in old if key not in kept]
        await self._tx.execute("delete_rooms", session_code, *columns(gone, 2))
        codes = {site.code for site in after}
        unused = [site.code for site in before if site.code not in codes]
        await self._tx.execute("delete_sites", session_code, unused)
        sites = [(s.code, s.county_code, s.county_name, s.name, s.address) for s in after]
        await self._tx.execute("save_sites", session_code, *columns(sites, 5))
        rooms = [(s.code, room.code, room.columns, room.rows) for s in after for room in s.rooms]
        await self._tx.execute("save_rooms", session_code, *columns(rooms, 4))


class ArrangementStore:
    """Arrangements and their seats."""

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
        return [Seat(**{**dict(row), "candidate_id": str(row["candidate_id"])}) for row in rows]

    async def sittings(self, session_code: str, county_code: str) -> list[Sitting]:
        """Every sitting of the county."""
        rows = await self._tx.fetch("list_county_sittings", session_code, county_code)
        return [Sitting(str(r["candidate_id"]), r["slot"], r["course_code"]) for r in rows]

    async def rooms(self, session_code: str, county_code: str) -> list[Room]:
        """The county's rooms in the order in which they are filled."""
        rows = await self._tx.fetch("list_county_rooms", session_code, county_code)
        return [Room(r["site_code"], r["room_code"], r["columns"] * r["rows"]) for r in rows]

    async def replace_seats(
        self, arrangement_id: UUID, session_code: str, seats: Sequence[Seat]
    ) -> None:
        """Make these the seats of the arrangement."""
        await self._tx.execute("delete_seats", arrangement_id)
        await self._tx.execute("insert_seats", arrangement_id, session_code, *columns(seats, 6))

    async def finish(
        self, arrangement_id: UUID, seats: Sequence[Seat], based_on: UUID | None
    ) -> None:
        """Every sitting has its seat, found with those of `based_on` in mind."""
        candidates = len({seat.candidate_id for seat in seats})
        rooms = len({(seat.slot, seat.site_code, seat.room_code) for seat in seats})
        await self._tx.execute(
            "finish_arrangement", arrangement_id, candidates, len(seats), rooms, based_on
        )

    async def fail(self, arrangement_id: UUID, failure: str) -> None:
        """It could not be made; `failure` says why, in Chinese."""
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

    async def publish(self, arrangement: Arrangement, now: datetime, actor: str) -> None:
        """Put it in force: end tickets whose seats changed, issue the missing ones."""
        key = arrangement.arrangement_id
        await self._tx.execute("supersede_arrangement", arrangement.based_on)
        await self._tx.execute("revoke_changed_tickets", key, now)
        await self._tx.execute("issue_tickets", key, now)
        await self._tx.execute("publish_arrangement", key, now, actor)


def _arrangement(row: Any) -> Arrangement | None:
    if row is None:
        return None
    return Arrangement(**{**dict(row), "state": ArrangementState(row["state"])})
