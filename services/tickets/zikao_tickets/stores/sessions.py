"""Sessions with their sites and rooms; bound to the running transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_tickets.converts.sessions import session_from_json, session_to_json
from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import RoomUse
from zikao_tickets.domain.session import RoomKey, Session, Site

ROOM_COLUMNS = 8


class SessionStore:
    """One method a named query; sites are read and replaced together with their rooms.

    A province has tens of thousands of rooms: what goes over all of them is done in a thread.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def load(self, session_code: str) -> Session | None:
        """The session, or None when it has not been applied."""
        body = await self._tx.fetchval("load_session", session_code)
        return session_from_json(body) if body else None

    async def lock(self, session_code: str) -> Session | None:
        """The session, locked against another apply."""
        body = await self._tx.fetchval("lock_session", session_code)
        return session_from_json(body) if body else None

    async def save(self, session: Session, now: datetime) -> None:
        """Insert or replace the settings."""
        await self._tx.execute("save_session", session.code, session_to_json(session), now)

    async def sites(self, session_code: str) -> list[Site]:
        """All sites in their order, each with its rooms."""
        rooms = await self._tx.fetch("list_rooms", session_code)
        sites = await self._tx.fetch("list_sites", session_code)
        return await asyncio.to_thread(_sites, sites, rooms)

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
        rooms = await asyncio.to_thread(_room_columns, after)
        await self._tx.execute("save_rooms", session_code, *rooms)


def _sites(sites: Sequence[Any], rooms: Sequence[Any]) -> list[Site]:
    plans: defaultdict[str, list[RoomPlan]] = defaultdict(list)
    for row in rooms:
        plans[row["site_code"]].append(_plan(row))
    return [
        Site(
            code=row["site_code"],
            county_code=row["county_code"],
            county_name=row["county_name"],
            name=row["name"],
            address=row["address"],
            rooms=tuple(plans[row["site_code"]]),
        )
        for row in sites
    ]


def _plan(row: Any) -> RoomPlan:
    return RoomPlan(
        code=row["room_code"],
        columns=row["columns"],
        rows=row["rows"],
        layout=Layout(row["layout"]),
        numbering=tuple(row["numbering"] or ()),
        accessible=frozenset(row["accessible"]),
        use=RoomUse(row["use"]),
    )


def _room_columns(sites: Sequence[Site]) -> list[list[Any]]:
    """Two lists travel as text: the arrays of an array's rows would have to be of one length."""
    rooms = (
        (
            site.code,
            room.code,
            room.columns,
            room.rows,
            room.layout,
            _array(room.numbering) if room.layout is Layout.CUSTOM else None,
            _array(sorted(room.accessible)),
            room.use or RoomUse.NORMAL,
        )
        for site in sites
        for room in site.rooms
    )
    return columns(rooms, ROOM_COLUMNS)


def _array(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"
