"""Sites and rooms: one method a named query of `sites.sql`; bound to the running transaction."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_tickets.domain.layout import Layout, RoomPlan
from zikao_tickets.domain.rooms import RoomUse, SetRoomUse, UsedRoom
from zikao_tickets.domain.session import RoomKey, Site
from zikao_tickets.domain.site_correction import SiteTexts

ROOM_COLUMNS = 8


class SiteStore:
    """Sites are read and replaced together with their rooms.

    A province has tens of thousands of rooms: what goes over all of them is done in a thread.
    """

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def sites(self, session_code: str, county_prefix: str = "") -> list[Site]:
        """Sites of counties whose code begins so, in their order, each with its rooms."""
        rooms = await self._tx.fetch("list_rooms", session_code, county_prefix)
        sites = await self._tx.fetch("list_sites", session_code, county_prefix)
        return await asyncio.to_thread(_sites, sites, rooms)

    async def seats_in_use(
        self, session_code: str, site_codes: Collection[str]
    ) -> dict[RoomKey, int]:
        """The highest seat number given in each room of these sites."""
        rows = await self._tx.fetch("list_rooms_in_use", session_code, list(site_codes))
        return {(row["site_code"], row["room_code"]): row["highest_seat"] for row in rows}

    async def counties_of(self, session_code: str, site_codes: Collection[str]) -> dict[str, str]:
        """In which county the sites are that there are."""
        rows = await self._tx.fetch("list_counties_of_sites", session_code, list(site_codes))
        return {row["site_code"]: row["county_code"] for row in rows}

    async def county_names(self, session_code: str, codes: Collection[str]) -> dict[str, str]:
        """The names of counties that have a site."""
        rows = await self._tx.fetch("list_county_names", session_code, list(codes))
        return {row["county_code"]: row["county_name"] for row in rows}

    async def replace_sites(
        self, session_code: str, before: Sequence[Site], after: Sequence[Site]
    ) -> None:
        """Make the sites and rooms what they should be, in this order.

        Other sites of the session are filled before them. Two lists travel as text: the arrays of
        an array's rows would have to be of one length.
        """
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

    async def list_page(
        self, session_code: str, county_prefix: str, after: int, limit: int
    ) -> list[tuple[int, Site]]:
        """Sites with their places in the order, those after the place `after`."""
        page = await self._tx.fetch("list_sites_page", session_code, county_prefix, after, limit)
        codes = [row["site_code"] for row in page]
        rooms = await self._tx.fetch("list_rooms_of_sites", session_code, codes)
        return list(zip((row["position"] for row in page), _sites(page, rooms), strict=True))

    async def used_rooms(
        self, session_code: str, site_codes: Collection[str]
    ) -> Mapping[RoomKey, UsedRoom]:
        """Rooms of these sites in which somebody sits, or whose use has a reason."""
        rows = await self._tx.fetch("list_used_rooms", session_code, list(site_codes))
        return {(row["site_code"], row["room_code"]): _used(row) for row in rows}

    async def lock_room(
        self, session_code: str, county_code: str, site_code: str, room_code: str
    ) -> UsedRoom | None:
        """A room of the county, if it has it.

        Until the transaction ends no session file changes it, and no arrangement of the county is
        published.
        """
        await self._hold(session_code, county_code)
        key = session_code, county_code, site_code, room_code
        row = await self._tx.fetchrow("lock_room", *key)
        if row is None:
            return None
        sittings = await self._tx.fetchval("count_sittings_in_force", *key)
        return UsedRoom(RoomUse(row["use"]), row["use_reason"], sittings)

    async def set_room_use(self, session_code: str, act: SetRoomUse) -> None:
        """Use a locked room otherwise."""
        await self._tx.execute(
            "set_room_use", session_code, act.site_code, act.room_code, act.use, act.reason
        )

    async def lock_site(
        self, session_code: str, county_code: str, site_code: str
    ) -> SiteTexts | None:
        """What a site of the county says, if it has it; locked as `lock_room` locks."""
        await self._hold(session_code, county_code)
        row = await self._tx.fetchrow("lock_site", session_code, county_code, site_code)
        return SiteTexts(**dict(row)) if row else None

    async def correct(self, session_code: str, site_code: str, texts: SiteTexts) -> None:
        """Let a locked site say something else."""
        await self._tx.execute("correct_site", session_code, site_code, *texts)

    async def _hold(self, session_code: str, county_code: str) -> None:
        """Keep files and publications of the county away until the transaction ends."""
        await self._tx.execute("hold_session", session_code)
        await self._tx.execute("lock_county", session_code, county_code)


def _sites(sites: Sequence[Any], rooms: Sequence[Any]) -> list[Site]:
    plans: defaultdict[str, list[RoomPlan]] = defaultdict(list)
    for row in rooms:
        plans[row["site_code"]].append(plan_of(row))
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


def plan_of(row: Any) -> RoomPlan:
    """A row of rooms."""
    return RoomPlan(
        code=row["room_code"],
        columns=row["columns"],
        rows=row["rows"],
        layout=Layout(row["layout"]),
        numbering=tuple(row["numbering"] or ()),
        accessible=frozenset(row["accessible"]),
        use=RoomUse(row["use"]),
    )


def _used(row: Any) -> UsedRoom:
    return UsedRoom(RoomUse(row["use"]), row["use_reason"], row["sittings"])


def _room_columns(sites: Sequence[Site]) -> list[list[Any]]:
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
