"""Versions of tickets: one method a named query of `versions.sql`, and the feed of tickets."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.db import Transaction
from zikao_kit.feed import Outbox

from zikao_tickets.converts.versions import event_key, state_to_event
from zikao_tickets.domain.ticket import TicketSeat
from zikao_tickets.domain.versions import (
    Issue,
    ReplacedTicket,
    TicketReason,
    TicketVersion,
)
from zikao_tickets.names import SCHEMA
from zikao_tickets.proof import TicketKind

# So many are one statement each to read, to find the seats of and to append.
STATES_PER_READ = 2000


class VersionStore:
    """Bound to the running transaction."""

    _outbox = Outbox(SCHEMA)

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def by_number(self, session_code: str, ticket_number: str) -> list[TicketVersion]:
        """Every version of a ticket, the newest first."""
        rows = await self._tx.fetch("list_versions", session_code, ticket_number, None)
        return [_version(row) for row in rows]

    async def of_candidate(self, session_code: str, candidate_id: UUID) -> list[TicketVersion]:
        """Every version of a candidate's ticket, the newest first."""
        rows = await self._tx.fetch("list_versions", session_code, None, candidate_id)
        return [_version(row) for row in rows]

    async def lock_county(self, session_code: str, county_code: str) -> None:
        """Let nobody publish for the county or issue versions there until the transaction ends."""
        await self._tx.execute("lock_county", session_code, county_code)

    async def count_by_offices(self, session_code: str, candidate_id: UUID, since: datetime) -> int:
        """How many versions of the ticket offices have issued since."""
        count: int = await self._tx.fetchval(
            "count_versions_by_offices", session_code, candidate_id, since
        )
        return count

    async def of_site(self, session_code: str, county_code: str, site_code: str) -> list[UUID]:
        """Whose tickets in force show a seat at a site of the county."""
        key = session_code, county_code, site_code
        return [row["candidate_id"] for row in await self._tx.fetch("list_tickets_of_site", *key)]

    async def count_by_officer(self, officer: str, since: datetime) -> int:
        """How many versions the officer has issued since; no more until the transaction ends."""
        await self._tx.execute("lock_issuing_officer", officer)
        return int(await self._tx.fetchval("count_versions_by_officer", officer, since))

    async def issue_next(
        self,
        session_code: str,
        candidate_ids: Sequence[UUID],
        issue: Issue,
        *,
        issued_by: str,
        now: datetime,
    ) -> None:
        """Revoke the versions in force and issue the next ones, with the same seats; say so."""
        await self._tx.execute("revoke_versions", session_code, candidate_ids, now)
        await self._tx.execute(
            "insert_next_versions",
            session_code,
            candidate_ids,
            now,
            issue.kind,
            issue.reason,
            issued_by,
            issue.without_photo,
        )
        await self.announce(session_code, candidate_ids)

    async def replaced(
        self, session_code: str, candidate_id: UUID, version: int
    ) -> ReplacedTicket | None:
        """The version whose place this one took, with its seats."""
        row = await self._tx.fetchrow("find_replaced", session_code, candidate_id, version)
        if row is None:
            return None
        seats = await self._seats(row["arrangement_id"], candidate_id)
        return ReplacedTicket(row["version"], row["revoked_at"], tuple(seats))

    async def announce_published(
        self, session_code: str, arrangement_id: UUID, now: datetime
    ) -> None:
        """Say in the feed which tickets a publication of `now` has issued or revoked."""
        rows = await self._tx.fetch("list_changed_tickets", arrangement_id, now)
        await self.announce(session_code, [row["candidate_id"] for row in rows])

    async def announce(self, session_code: str, candidate_ids: Sequence[UUID]) -> None:
        """Say in the feed where tickets stand by now.

        A big county has ten thousands: the messages are made in a thread.
        """
        for at in range(0, len(candidate_ids), STATES_PER_READ):
            some = candidate_ids[at : at + STATES_PER_READ]
            states = await self._tx.fetch("list_ticket_states", session_code, some)
            valid = [row for row in states if row["version"] is not None]
            seats = await self._tx.fetch(
                "list_ticket_seats",
                [row["arrangement_id"] for row in valid],
                [row["candidate_id"] for row in valid],
            )
            events = await asyncio.to_thread(_events, session_code, states, seats)
            await self._outbox.append_all(self._tx, events)

    async def _seats(self, arrangement_id: UUID, candidate_id: UUID) -> list[TicketSeat]:
        """A candidate's seats in an arrangement, by slot."""
        rows = await self._tx.fetch("list_ticket_seats", [arrangement_id], [candidate_id])
        return _seats_by_candidate(rows)[candidate_id]


def _events(session_code: str, states: Sequence[Any], seats: Sequence[Any]) -> dict[str, bytes]:
    found = _seats_by_candidate(seats)
    return {
        event_key(session_code, row["candidate_id"]): state_to_event(
            session_code, dict(row), found[row["candidate_id"]]
        )
        for row in states
    }


def _seats_by_candidate(rows: Sequence[Any]) -> defaultdict[UUID, list[TicketSeat]]:
    seats: defaultdict[UUID, list[TicketSeat]] = defaultdict(list)
    for row in rows:
        fields = dict(row)
        seats[fields.pop("candidate_id")].append(TicketSeat(**fields))
    return seats


def _version(row: Any) -> TicketVersion:
    kind, reason = TicketKind(row["kind"]), TicketReason(row["reason"])
    return TicketVersion(**{**dict(row), "kind": kind, "reason": reason})
