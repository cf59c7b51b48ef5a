"""Sessions and their seat ledger: one method a named query."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from zikao_kit.columns import columns
from zikao_kit.db import Transaction

from zikao_enrollment.converts.sessions import session_from_json, session_to_json
from zikao_enrollment.domain.allocation import SeatKey
from zikao_enrollment.domain.board import AppliedSession, SeatCount
from zikao_enrollment.domain.closings import Closed
from zikao_enrollment.domain.timetable import Session


class SessionStore:
    """Bound to the running transaction."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def versions(self) -> dict[str, int]:
        """How often each session has been applied, by code."""
        rows = await self._tx.fetch("list_session_versions")
        return {row["session_code"]: row["version"] for row in rows}

    async def load(self, session_codes: Collection[str]) -> dict[str, AppliedSession]:
        """Sessions by code."""
        if not session_codes:
            return {}
        codes = list(session_codes)
        closings = await self.closings(codes)
        return {
            row["session_code"]: AppliedSession(
                replace(
                    session_from_json(row["body"]), closings=closings.get(row["session_code"], {})
                ),
                row["version"],
            )
            for row in await self._tx.fetch("list_sessions", codes)
        }

    async def closings(self, session_codes: Collection[str]) -> dict[str, dict[Closed, str]]:
        """What offices have closed, with the reasons, by session."""
        found: defaultdict[str, dict[Closed, str]] = defaultdict(dict)
        for row in await self._tx.fetch("list_closings", list(session_codes)):
            closed = Closed(row["county_prefix"], row["course_code"])
            found[row["session_code"]][closed] = row["reason"]
        return dict(found)

    async def save_closings(
        self, session_code: str, closings: Mapping[Closed, str], now: datetime
    ) -> None:
        """Close, or change the reasons of what is closed."""
        rows = ((*closed, reason) for closed, reason in closings.items())
        await self._tx.execute("save_closings", session_code, *columns(rows, 3), now)

    async def delete_closings(self, session_code: str, closed: Collection[Closed]) -> None:
        """Open again."""
        await self._tx.execute("delete_closings", session_code, *columns(closed, 2))

    async def lock(self, session_code: str) -> Session | None:
        """The session, locked against another apply; None before the first."""
        await self._tx.execute("lock_applying")
        applied = (await self.load([session_code])).get(session_code)
        return applied.session if applied else None

    async def version(self, session_code: str) -> int | None:
        """How often the session has been applied by now."""
        found: int | None = await self._tx.fetchval("get_session_version", session_code)
        return found

    async def save(self, session: Session, now: datetime) -> None:
        """Insert or replace the settings as the next version."""
        await self._tx.execute("save_session", session.code, session_to_json(session), now)

    async def lock_ledger(self, session_code: str) -> dict[SeatKey, SeatCount]:
        """All seats of a session, locked in the one order until the transaction ends."""
        rows = await self._tx.fetch("lock_all_seats", session_code)
        return {
            SeatKey(row["county_code"], row["slot"]): SeatCount(
                row["capacity"], row["held"], row["confirmed"]
            )
            for row in rows
        }

    async def save_capacities(
        self, session_code: str, capacities: Mapping[tuple[str, int], int]
    ) -> None:
        """Add ledger rows or change their capacity; the ledger refuses less than is used."""
        await self._tx.execute(
            "save_capacities",
            session_code,
            *columns(((*key, seats) for key, seats in capacities.items()), 3),
        )

    async def delete_seats(self, session_code: str, keys: Collection[tuple[str, int]]) -> None:
        """Take ledger rows away."""
        await self._tx.execute("delete_seats", session_code, *columns(keys, 2))

    async def course_uses(self, session_code: str) -> set[tuple[str, int]]:
        """The (course code, slot) in which somebody sits."""
        rows = await self._tx.fetch("list_course_uses", session_code)
        return {(row["course_code"], row["slot"]) for row in rows}

    async def all_seats(self) -> dict[str, dict[SeatKey, SeatCount]]:
        """The whole ledger by session."""
        seats: defaultdict[str, dict[SeatKey, SeatCount]] = defaultdict(dict)
        for row in await self._tx.fetch("list_seats"):
            key = SeatKey(row["county_code"], row["slot"])
            count = SeatCount(row["capacity"], row["held"], row["confirmed"])
            seats[row["session_code"]][key] = count
        return dict(seats)

    async def next_releases(self) -> dict[str, datetime]:
        """When the next hold ends at the earliest, by session that has holds."""
        rows = await self._tx.fetch("list_next_releases")
        return {row["session_code"]: row["next_release_at"] for row in rows}
