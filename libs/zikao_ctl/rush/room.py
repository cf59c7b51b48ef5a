"""The waiting room of a rehearsal, as the database has it: meanwhile and afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from zikao_ctl.rush import checking, fairness
from zikao_ctl.rush.records import Check, Draw, Room, RoomTick

LOOK_SECONDS = 0.5
# Of those drawn: else what was told says nothing of the draw.
LEAST_TOLD_SHARE = 0.9
AS_DRAWN_ZH = "告知的名次均与公布的种子相符"
_NOW = """SELECT admitted_until, coalesce(rate, 0)::float8 AS rate,
    coalesce(drawn_count, (
        SELECT count(*) FROM enrollment.waiting_place AS place
        WHERE (place.session_code, place.track) = (room.session_code, room.track)
    )) + late_count AS last
FROM enrollment.waiting_room AS room WHERE session_code = $1 AND track = $2"""
_SEED = """SELECT seed, drawn_count FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2"""
_PLACES = """SELECT candidate_id, drawn, late_number, late_turns FROM enrollment.waiting_place
WHERE session_code = $1 AND track = $2 ORDER BY joined_at, candidate_id"""


@dataclass
class RoomWatch:
    """How the room stands, looked at twice a second; times are monotonic."""

    session_code: str
    track: str
    seen: list[RoomTick] = field(default_factory=list)

    async def watch(self, admin_dsn: str) -> None:
        """Look until cancelled; what cannot be looked at now is looked at later."""
        while True:
            try:
                connection = await asyncpg.connect(admin_dsn)
                try:
                    await self._look_on(connection)
                finally:
                    await connection.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(LOOK_SECONDS)

    async def _look_on(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        while True:
            row = await connection.fetchrow(_NOW, self.session_code, self.track)
            if row is not None:
                tick = RoomTick(
                    at=time.monotonic(),
                    waiting=max(0, row["last"] - row["admitted_until"]),
                    admitted_until=row["admitted_until"],
                    rate=row["rate"],
                )
                self.seen.append(tick)
            await asyncio.sleep(LOOK_SECONDS)


@dataclass(frozen=True)
class RoomFound:
    """What the room was, whether numbers were those of the draw, and places for each who came."""

    room: Room
    as_drawn: Check
    places_per_candidate: float


async def room_of(
    admin_dsn: str, watched: RoomWatch, opening: float, joins: int, acks: Sequence[checking.Ack]
) -> RoomFound:
    """What there is of it, against what candidates were told, who all came through it.

    `opening`: the monotonic time. The order is drawn again here, from the seed that is published.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        key = watched.session_code, watched.track
        drawn = await connection.fetchrow(_SEED, *key)
        rows = await connection.fetch(_PLACES, *key)
    finally:
        await connection.close()
    places = [fairness.Place(**row) for row in rows]
    seed, count = (drawn["seed"], drawn["drawn_count"] or 0) if drawn else (None, 0)
    told = {UUID(each["candidate_id"]): each["numbers"] for each in acks if each["numbers"]}
    room = Room(
        places=len(places),
        joins=joins,
        drawn=count,
        ticks=[RoomTick(**{**tick, "at": tick["at"] - opening}) for tick in watched.seen],
        **draw_told(fairness.told_of_draw(places, told, count) if seed else ()),
    )
    ranks = fairness.ranks_of(seed, places) if seed else {}
    wrong = fairness.wrongly_told(places, ranks, told)
    return RoomFound(
        room=room,
        as_drawn=checking.check("numbers_not_as_drawn", AS_DRAWN_ZH, len(told), wrong),
        places_per_candidate=len(places) / len(acks) if acks else 0.0,
    )


def draw_told(numbers: Sequence[int]) -> Draw:
    """The test of what was told; without a p where too few were told anything."""
    told = sum(map(bool, numbers))
    table = fairness.table_of(numbers)
    found = fairness.chi_square(table)
    is_measured = found.degrees and told >= LEAST_TOLD_SHARE * len(numbers)
    return Draw(
        told=told,
        chi_square=found.value,
        chi_square_p=found.p if is_measured else None,
        table=table,
    )
