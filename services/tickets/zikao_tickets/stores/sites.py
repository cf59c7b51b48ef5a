"""Sites and rooms as offices see them: one method a named query of `sites.sql`."""

from typing import NamedTuple

from zikao_kit.db import Transaction

from zikao_tickets.domain.rooms import RoomUse, SetRoomUse


class UsedRoom(NamedTuple):
    """What a room is for, why, and how many sittings it has in the arrangement in force."""

    use: RoomUse
    reason: str
    sittings: int


class SiteStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def lock_room(
        self, session_code: str, county_code: str, site_code: str, room_code: str
    ) -> UsedRoom | None:
        """A room of the county, if it has it.

        Until the transaction ends no session file changes it, and no arrangement of the county is
        published.
        """
        await self._tx.execute("hold_session", session_code)
        await self._tx.execute("lock_county", session_code, county_code)
        row = await self._tx.fetchrow("lock_room", session_code, county_code, site_code, room_code)
        if row is None:
            return None
        sittings = await self._tx.fetchval(
            "count_sittings_in_force", session_code, county_code, site_code, room_code
        )
        return UsedRoom(RoomUse(row["use"]), row["use_reason"], sittings)

    async def set_room_use(self, session_code: str, act: SetRoomUse) -> None:
        """Use a locked room otherwise."""
        await self._tx.execute(
            "set_room_use", session_code, act.site_code, act.room_code, act.use, act.reason
        )
