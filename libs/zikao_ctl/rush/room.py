"""The waiting room of a rehearsal, as the database has it: meanwhile and afterwards."""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from zikao_ctl.rush.fairness import chi_square, table_of
from zikao_ctl.rush.records import Room, RoomTick

LOOK_SECONDS = 0.5
_NOW = """SELECT admitted_until, coalesce(rate, 0)::float8 AS rate,
    coalesce(drawn_count, (
        SELECT count(*) FROM enrollment.waiting_place AS place
        WHERE (place.session_code, place.track) = (room.session_code, room.track)
    )) + late_count AS last
FROM enrollment.waiting_room AS room WHERE session_code = $1 AND track = $2"""
_SEED = """SELECT seed, drawn_count FROM enrollment.waiting_room
WHERE session_code = $1 AND track = $2"""
_PLACES = """SELECT candidate_id, drawn FROM enrollment.waiting_place
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


async def room_of(
    admin_dsn: str, watched: RoomWatch, opening: float, joins: int, joined: int
) -> tuple[Room, float]:
    """What the room was, and places for each of the `joined` who came in (1 is right).

    `opening`: the monotonic time. The order is drawn again here, from the seed that is published.
    """
    connection = await asyncpg.connect(admin_dsn)
    try:
        key = watched.session_code, watched.track
        drawn = await connection.fetchrow(_SEED, *key)
        places = await connection.fetch(_PLACES, *key)
    finally:
        await connection.close()
    came = [row["candidate_id"] for row in places if row["drawn"]]
    numbers = _numbers(drawn["seed"], came) if drawn and drawn["seed"] else {}
    table = table_of([numbers[each] for each in came]) if numbers else []
    statistic, p = chi_square(table) if table else (0.0, 1.0)
    room = Room(
        places=len(places),
        joins=joins,
        drawn=drawn["drawn_count"] or 0 if drawn else 0,
        chi_square=statistic,
        chi_square_p=p,
        table=table,
        ticks=[RoomTick(**{**tick, "at": tick["at"] - opening}) for tick in watched.seen],
    )
    return room, len(places) / joined if joined else 0.0


def _numbers(seed: bytes, candidates: list[UUID]) -> dict[UUID, int]:
    """From 1: the lower the sum over seed and id, the lower the number."""
    order = sorted(candidates, key=lambda each: hashlib.sha256(seed + each.bytes).digest())
    return {candidate: number for number, candidate in enumerate(order, start=1)}
