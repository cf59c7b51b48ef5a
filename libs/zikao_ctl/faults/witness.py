"""Remembers every answer that was given and every call of which nobody knows what became of it.

And holds the database to it: what was acknowledged is there, word for word; what is in doubt
comes to the same end when it is asked for again under its request id.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import asyncpg
import grpc
from zikao_kit.error_table import reason_of
from zikao_kit.errors import INTERNAL, OVERLOADED, UNAVAILABLE

SETTLING_AT_ONCE = 32
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.05, 0.5
# Without a reason of the service the connection, or the patience, has ended before the answer.
_IN_DOUBT = frozenset({None, UNAVAILABLE, INTERNAL})
_STORED = """
SELECT actor, request_id, response FROM enrollment.idempotency
WHERE (actor, request_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[])) AND response IS NOT NULL
"""


class Outcome(StrEnum):
    """What a caller knows of a call."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    SHED = "shed"
    DOUBTFUL = "doubtful"


class Resolution(StrEnum):
    """What had become of a doubtful call."""

    HAPPENED = "it had happened"
    REPEATED = "it had not happened, and the repetition did it"
    REFUSED = "it had not happened, and is refused now"


@dataclass(eq=False)
class Act:
    """One mutation, to be sent again as it was: `send` makes a call and returns its answer's bytes.

    `actor` is empty for a call to the payment platform, whose store is its own; `owner` is whoever
    keeps the load's books of it.
    """

    method: str
    actor: str
    request_id: UUID
    send: Callable[[], Awaitable[bytes]]
    owner: Any
    request: Any
    answer: bytes = b""


@dataclass
class Witness:
    """All acts and what is wrong with them; `violations` are sentences for the report."""

    counts: Counter[str] = field(default_factory=Counter)
    resolutions: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    doubtful: list[Act] = field(default_factory=list)
    _unchecked: list[Act] = field(default_factory=list)
    _all: list[Act] = field(default_factory=list)

    async def attempt(self, act: Act) -> Outcome:
        """Make the call once and note what came of it."""
        try:
            act.answer = await act.send()
        except grpc.aio.AioRpcError as error:
            outcome = self._failed(act, error)
        else:
            outcome = Outcome.ACKNOWLEDGED
            self._note(act)
        self.counts[f"{act.method}.{outcome}"] += 1
        self.counts[outcome] += 1
        return outcome

    def _note(self, act: Act) -> None:
        if act.actor:
            self._unchecked.append(act)
            self._all.append(act)

    def _failed(self, act: Act, error: grpc.aio.AioRpcError) -> Outcome:
        reason = reason_of(error)
        if reason == INTERNAL:
            self.violations.append(f"{act.method} {act.request_id} failed: INTERNAL")
        if reason == OVERLOADED:
            return Outcome.SHED
        if reason in _IN_DOUBT:
            self.doubtful.append(act)
            return Outcome.DOUBTFUL
        return Outcome.REFUSED

    async def settle(self, database: asyncpg.Connection, seconds: float) -> Sequence[Act]:
        """Bring every doubtful call to its end; return them. Those that have none are violations.

        Each is looked for in the database before it is repeated.
        """
        acts, self.doubtful = self.doubtful, []
        stored = await self._stored(database, [act for act in acts if act.actor])
        turns = asyncio.Semaphore(SETTLING_AT_ONCE)

        async def one(act: Act) -> None:
            async with turns:
                await self._resolve(act, stored.get(act.request_id), seconds)

        await asyncio.gather(*(one(act) for act in acts))
        return acts

    async def _resolve(self, act: Act, stored: bytes | None, seconds: float) -> None:
        pause = FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return self._resolved(act, stored, await act.send(), "")
                    except grpc.aio.AioRpcError as error:
                        reason = reason_of(error)
                        if reason == INTERNAL or reason not in (*_IN_DOUBT, OVERLOADED):
                            return self._resolved(act, stored, b"", reason or "")
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        except TimeoutError:
            self.violations.append(f"{act.method} {act.request_id} stays in doubt")

    def _resolved(self, act: Act, stored: bytes | None, answer: bytes, reason: str) -> None:
        act.answer = answer
        if reason:
            self.resolutions[Resolution.REFUSED] += 1
            if stored is not None or reason == INTERNAL:
                self.violations.append(
                    f"{act.method} {act.request_id} had happened and is refused: {reason}"
                )
            return
        had_happened = stored is not None
        self.resolutions[Resolution.HAPPENED if had_happened else Resolution.REPEATED] += 1
        if stored is not None and stored != answer:
            self.violations.append(f"{act.method} {act.request_id} is answered differently again")
        self._note(act)

    async def check(self, database: asyncpg.Connection, *, everything: bool = False) -> None:
        """Every answer since the last check, or ever, is in the database as it was given."""
        acts = list(self._all) if everything else self._unchecked
        self._unchecked = []
        stored = await self._stored(database, acts)
        for act in acts:
            kept = stored.get(act.request_id)
            if kept is None:
                self.violations.append(f"{act.method} {act.request_id} was answered and is lost")
            elif kept != act.answer:
                self.violations.append(f"{act.method} {act.request_id} was answered otherwise")

    async def _stored(
        self, database: asyncpg.Connection, acts: Sequence[Act]
    ) -> Mapping[UUID, bytes]:
        ids = [act.actor for act in acts], [act.request_id for act in acts]
        rows = await database.fetch(_STORED, *ids)
        return {row["request_id"]: bytes(row["response"]) for row in rows}
