"""Arrangements from their start to their end; bound to the running transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from zikao_kit.columns import columns
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Transaction

from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.publication import PublicDraw
from zikao_tickets.domain.states import (
    Arrangement,
    ArrangementFilter,
    ArrangementState,
    Counts,
    Progress,
    Stage,
)

_COUNTS = tuple(Counts.__dataclass_fields__)
_PROGRESS = {"stage": "stage", "done": "stage_done", "total": "stage_total"}


class Area(NamedTuple):
    """Counties of a session whose code begins so."""

    session_code: str
    county_prefix: str


class Operation(NamedTuple):
    """Arrangements of many counties that are started together."""

    operation_id: UUID
    session_code: str
    county_prefix: str
    started_at: datetime
    started_by: str


class Start(NamedTuple):
    """What arrangements that are started together have in common."""

    session_code: str
    started_at: datetime
    started_by: str
    anew: bool
    operation_id: UUID | None = None


class Base(NamedTuple):
    """A county's arrangement in force, and the first that was started on it, with its seed."""

    county_code: str
    in_force: UUID | None
    seeded_by: UUID | None = None
    seed_enc: bytes | None = None


class Lease(NamedTuple):
    """The right to work on an arrangement; of `attempt` there is one."""

    arrangement_id: UUID
    attempt: int


class ArrangementStore:
    """One method a named query."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    async def hold_starts(self, session_code: str) -> None:
        """Let nobody else start arrangements of the session until the transaction ends."""
        await self._tx.execute("hold_starts", session_code)

    async def bases(self, session_code: str, county_codes: Sequence[str]) -> list[Base]:
        """What is in force in each county, and the seed that was fixed on it."""
        rows = await self._tx.fetch("list_bases", session_code, county_codes)
        return [Base(*row) for row in rows]

    async def draws(
        self, session_code: str, county_code: str, limit: int, keys: KeyRing
    ) -> list[PublicDraw]:
        """Seeds of a county, the newest first; those of what is published are decrypted."""
        rows = await self._tx.fetch("list_draws", session_code, county_code, limit)
        return [_draw(row, keys) for row in rows]

    async def insert_operation(self, operation: Operation) -> None:
        """Add an operation, before its arrangements."""
        await self._tx.execute("insert_operation", *operation)

    async def insert(self, start: Start, arrangements: Sequence[Arrangement]) -> list[str]:
        """Add pending arrangements; the counties of those added: none is in progress there."""
        given = [
            (a.arrangement_id, a.county_code, a.seed_enc, a.seed_sha256, a.seeded_on, a.fixes_seed)
            for a in arrangements
        ]
        rows = await self._tx.fetch("insert_arrangements", *start, *columns(given, 6))
        return sorted(row["county_code"] for row in rows)

    async def counties(self, session_code: str, county_prefix: str) -> Mapping[str, bool]:
        """Counties in which somebody sits, and whether an arrangement is in progress there."""
        rows = await self._tx.fetch("list_counties_to_arrange", session_code, county_prefix)
        return {row["county_code"]: row["in_progress"] for row in rows}

    async def load(self, arrangement_id: UUID) -> Arrangement | None:
        """The arrangement, if there is one."""
        return _found(await self._tx.fetchrow("load_arrangement", arrangement_id))

    async def lock(self, arrangement_id: UUID) -> Arrangement | None:
        """The same, locked until the transaction ends."""
        return _found(await self._tx.fetchrow("lock_arrangement", arrangement_id))

    async def operation_area(self, operation_id: UUID) -> Area | None:
        """Where an operation's counties are, if there is such an operation."""
        row = await self._tx.fetchrow("load_operation", operation_id)
        return None if row is None else Area(*row)

    async def of_operation(self, operation_id: UUID) -> list[Arrangement]:
        """All of an operation, by county."""
        rows = await self._tx.fetch("list_operation", operation_id)
        return [_arrangement(row) for row in rows]

    async def list_page(
        self, wanted: ArrangementFilter, after: tuple[str, UUID] | None, limit: int
    ) -> list[Arrangement]:
        """By county, the newest first; after the one of a county code and id."""
        last = after or (None, None)
        rows = await self._tx.fetch("list_arrangements", *wanted, *last, limit)
        return [_arrangement(row) for row in rows]

    async def lease(self, source: str, lease: timedelta) -> Lease | None:
        """Take the oldest arrangement nobody works on, as running, for as long as `lease`.

        Only one for which the feed of `source` has brought all that was there when it was
        requested.
        """
        row = await self._tx.fetchrow("lease_arrangement", source, lease)
        return None if row is None else Lease(row["arrangement_id"], row["attempts"])

    async def renew(self, held: Lease, lease: timedelta, progress: Progress) -> bool | None:
        """Keep the lease and say how far the work is; whether it is not wanted any more.

        None when the lease is another's by now.
        """
        place = (progress.stage, progress.done, progress.total)
        cancelled: bool | None = await self._tx.fetchval("renew_arrangement", *held, lease, *place)
        return cancelled

    async def give_up(self, max_attempts: int) -> list[UUID]:
        """Fail the arrangements that were left that often without an end; return which."""
        rows = await self._tx.fetch("give_up_arrangements", max_attempts)
        return [row["arrangement_id"] for row in rows]

    async def cancel(
        self, operation_id: UUID | None, arrangement_id: UUID | None, now: datetime
    ) -> list[ArrangementState]:
        """Cancel what waits and ask what runs to end, of an operation or one; what each is now."""
        rows = await self._tx.fetch("cancel_arrangements", operation_id, arrangement_id, now)
        return [ArrangementState(row["state"]) for row in rows]

    async def end_cancelled(self, held: Lease) -> None:
        """What ran and was not wanted any more has ended."""
        await self._tx.execute("end_cancelled_arrangement", *held)

    async def give_back(self, held: Lease) -> None:
        """Let it be taken again at once."""
        await self._tx.execute("return_arrangement", *held)

    async def fail(self, held: Lease, failure: str) -> None:
        """It could not be made; `failure` says why, in Chinese. Not one that another works on."""
        await self._tx.execute("fail_arrangement", *held, failure)

    async def finish(
        self,
        arrangement_id: UUID,
        based_on: UUID | None,
        now: datetime,
        *,
        roster_sha256: bytes,
        seats_sha256: bytes,
        counts: Counts,
    ) -> None:
        """Every sitting has its seat, found with those of `based_on` in mind, and checked."""
        await self._tx.execute(
            "finish_arrangement",
            arrangement_id,
            based_on,
            now,
            roster_sha256,
            seats_sha256,
            *(getattr(counts, name) for name in _COUNTS),
        )

    async def discard_older(self, arrangement_id: UUID) -> list[UUID]:
        """The county's others that are done are not wanted any more; return which."""
        rows = await self._tx.fetch("discard_older_arrangements", arrangement_id)
        return [row["arrangement_id"] for row in rows]

    async def in_force(self, session_code: str, county_code: str) -> UUID | None:
        """The county's published arrangement, if there is one."""
        found: UUID | None = await self._tx.fetchval(
            "find_arrangement_in_force", session_code, county_code
        )
        return found


def _draw(row: Any, keys: KeyRing) -> PublicDraw:
    arrangement_id, seed = row["arrangement_id"], b""
    if arrangement_id is not None:
        seed = keys.decrypt(row["seed_enc"], seed_context(arrangement_id))
    return PublicDraw(
        seed_sha256=row["seed_sha256"],
        fixed_at=row["started_at"],
        arrangement_id=arrangement_id,
        published_at=row["published_at"],
        seed=seed,
        seats_sha256=row["seats_sha256"] or b"",
    )


def _found(row: Any) -> Arrangement | None:
    return None if row is None else _arrangement(row)


def _arrangement(row: Any) -> Arrangement:
    given = dict(row)
    counts = Counts(**{name: given.pop(name) for name in _COUNTS})
    place = {name: given.pop(column) for name, column in _PROGRESS.items()}
    progress = Progress(**{**place, "stage": Stage(place["stage"])})
    given["state"] = ArrangementState(given["state"])
    given["seats_sha256"] = given["seats_sha256"] or b""
    return Arrangement(**given, counts=counts, progress=progress)
