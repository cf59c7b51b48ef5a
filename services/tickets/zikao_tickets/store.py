"""The tickets schema: one method a named query. Bound to the running transaction."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from zikao_tickets.domain.arrangement import Room, Seat, Sitting
from zikao_tickets.domain.session import RoomKey, RoomPlan, Session, Site
from zikao_tickets.domain.session_json import session_from_json, session_to_json
from zikao_tickets.domain.states import Arrangement, ArrangementState


class Sql(Protocol):
    """Named queries in one transaction (`zikao_kit.db.Transaction`)."""

    async def fetch(self, name: str, /, *args: Any) -> Any:
        """All rows."""

    async def fetchrow(self, name: str, /, *args: Any) -> Any:
        """The first row, or None."""

    async def fetchval(self, name: str, /, *args: Any) -> Any:
        """The first row's first value, or None."""

    async def execute(self, name: str, /, *args: Any) -> Any:
        """No rows."""


class SessionStore:
    """Sessions with their sites and rooms."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def load(self, session_code: str) -> Session | None:
        """The session, or None when it has not been applied."""
        body = await self._sql.fetchval("load_session", session_code)
        return session_from_json(json.loads(body)) if body else None

    async def lock(self, session_code: str) -> Session | None:
        """The session, locked against another apply."""
        body = await self._sql.fetchval("lock_session", session_code)
        return session_from_json(json.loads(body)) if body else None

    async def save(self, session: Session, now: datetime) -> None:
        """Insert or replace the settings."""
        body = json.dumps(session_to_json(session), ensure_ascii=False)
        await self._sql.execute("save_session", session.code, body, now)

    async def sites(self, session_code: str) -> list[Site]:
        """All sites in their order, each with its rooms."""
        rooms: defaultdict[str, list[RoomPlan]] = defaultdict(list)
        for row in await self._sql.fetch("list_rooms", session_code):
            rooms[row["site_code"]].append(RoomPlan(row["room_code"], row["columns"], row["rows"]))
        rows = await self._sql.fetch("list_sites", session_code)
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
        rows = await self._sql.fetch("list_rooms_in_use", session_code)
        return {(row["site_code"], row["room_code"]): row["highest_seat"] for row in rows}

    async def replace_sites(
        self, session_code: str, before: Sequence[Site], after: Sequence[Site]
    ) -> None:
        """Make the sites and rooms what they should be."""
        kept = {(site.code, room.code) for site in after for room in site.rooms}
        old = [(site.code, room.code) for site in before for room in site.rooms]
        gone = [key for key in old if key not in kept]
        await self._sql.execute("delete_rooms", session_code, *columns(gone, 2))
        codes = {site.code for site in after}
        unused = [site.code for site in before if site.code not in codes]
        await self._sql.execute("delete_sites", session_code, unused)
        sites = [(s.code, s.county_code, s.county_name, s.name, s.address) for s in after]
        await self._sql.execute("save_sites", session_code, *columns(sites, 5))
        rooms = [(s.code, room.code, room.columns, room.rows) for s in after for room in s.rooms]
        await self._sql.execute("save_rooms", session_code, *columns(rooms, 4))


class ArrangementStore:
    """Arrangements and their seats."""

    def __init__(self, sql: Sql) -> None:
        self._sql = sql

    async def insert(self, arrangement: Arrangement, started_by: str) -> None:
        """Add a pending arrangement."""
        await self._sql.execute(
            "insert_arrangement",
            arrangement.arrangement_id,
            arrangement.session_code,
            arrangement.county_code,
            arrangement.seed_enc,
            arrangement.seed_sha256,
            arrangement.started_at,
            started_by,
        )

    async def load(self, arrangement_id: UUID) -> Arrangement | None:
        """The arrangement, if there is one."""
        return _arrangement(await self._sql.fetchrow("load_arrangement", arrangement_id))

    async def lock(self, arrangement_id: UUID) -> Arrangement | None:
        """The same, locked until the transaction ends."""
        return _arrangement(await self._sql.fetchrow("lock_arrangement", arrangement_id))

    async def lease(self, now: datetime, until: datetime) -> UUID | None:
        """Take the oldest arrangement nobody works on, as running until `until`."""
        found: UUID | None = await self._sql.fetchval("lease_arrangement", now, until)
        return found

    async def sittings(self, session_code: str, county_code: str) -> list[Sitting]:
        """Every sitting of the county."""
        rows = await self._sql.fetch("list_county_sittings", session_code, county_code)
        return [Sitting(str(r["candidate_id"]), r["slot"], r["course_code"]) for r in rows]

    async def rooms(self, session_code: str, county_code: str) -> list[Room]:
        """The county's rooms in the order in which they are filled."""
        rows = await self._sql.fetch("list_county_rooms", session_code, county_code)
        return [Room(r["site_code"], r["room_code"], r["columns"] * r["rows"]) for r in rows]

    async def replace_seats(
        self, arrangement_id: UUID, session_code: str, seats: Sequence[Seat]
    ) -> None:
        """Make these the seats of the arrangement."""
        await self._sql.execute("delete_seats", arrangement_id)
        await self._sql.execute("insert_seats", arrangement_id, session_code, *columns(seats, 6))

    async def finish(
        self, arrangement_id: UUID, *, candidates: int, sittings: int, rooms: int
    ) -> None:
        """Every sitting has its seat."""
        await self._sql.execute("finish_arrangement", arrangement_id, candidates, sittings, rooms)

    async def fail(self, arrangement_id: UUID, failure: str) -> None:
        """It could not be made; `failure` says why, in Chinese."""
        await self._sql.execute("fail_arrangement", arrangement_id, failure)

    async def violations(self, arrangement_id: UUID) -> list[str]:
        """What the independent checker finds, one text each."""
        rows = await self._sql.fetch("check_arrangement", arrangement_id)
        return [f"{row['violation']} slot={row['slot']} {row['subject']}" for row in rows]

    async def unknown_candidates(self, arrangement_id: UUID) -> int:
        """Seated people the candidate feed has not brought yet."""
        return int(await self._sql.fetchval("count_unknown_candidates", arrangement_id))

    async def publish(self, arrangement: Arrangement, now: datetime, actor: str) -> None:
        """Put it in force: end tickets whose seats changed, issue the missing ones."""
        key = arrangement.arrangement_id
        await self._sql.execute("lock_county", arrangement.session_code, arrangement.county_code)
        await self._sql.execute("revoke_changed_tickets", key, now)
        await self._sql.execute("issue_tickets", key, now)
        await self._sql.execute("publish_arrangement", key, now, actor)


def _arrangement(row: Any) -> Arrangement | None:
    if row is None:
        return None
    return Arrangement(**{**dict(row), "state": ArrangementState(row["state"])})


def columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    """Rows as one array a column, for `unnest`."""
    return [[row[at] for row in rows] for at in range(width)]
