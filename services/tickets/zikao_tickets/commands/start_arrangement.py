"""Start the arrangement of a county, or of all counties of an area (DOMAIN section 5)."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.domain.draw import SEED_BYTES, seed_sha256
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.states import IN_PROGRESS_ELSEWHERE, Arrangement, ArrangementState
from zikao_tickets.stores.arrangements import ArrangementStore, Base, Operation, Start

AUDITED_AS = "start_arrangements"


class Started(NamedTuple):
    """Counties that were started, or would be, and those where one is in progress already."""

    operation_id: UUID | None
    county_codes: list[str]
    in_progress: list[str]


class Starting(NamedTuple):
    """What starting is done with, and who does it, in one transaction."""

    arrangements: ArrangementStore
    audit: OfficeAuditStore
    keys: KeyRing
    actor: Actor
    now: datetime


async def start_arrangement(
    by: Starting, session: Session, county_code: str, *, anew: bool
) -> Arrangement:
    """Publish the hash of the seed, and leave the work to a worker.

    Raises DomainError ARRANGEMENT_TOO_EARLY while seats may still be taken or paid,
    ANEW_NOT_ALLOWED, and STATE_NOT_ALLOWED while another arrangement of the county is in progress.
    """
    _require_startable(session, by.now, anew=anew)
    start = Start(session.code, by.now, by.actor.subject, anew)
    ((arrangement,), started) = await _insert(by, start, [county_code])
    if not started:
        raise DomainError("STATE_NOT_ALLOWED", state=IN_PROGRESS_ELSEWHERE)
    said = {"arrangement_id": str(arrangement.arrangement_id)}
    await _note(by, start, county_code, started, said)
    return arrangement


async def start_arrangements(
    by: Starting, session: Session, county_prefix: str, *, anew: bool, dry_run: bool
) -> Started:
    """The same for every county of an area in which somebody sits and none is in progress.

    Raises DomainError ARRANGEMENT_TOO_EARLY, ANEW_NOT_ALLOWED, NOTHING_TO_ARRANGE.
    """
    _require_startable(session, by.now, anew=anew)
    counties = await by.arrangements.counties(session.code, county_prefix)
    idle = [code for code, in_progress in counties.items() if not in_progress]
    if not idle:
        raise DomainError("NOTHING_TO_ARRANGE")
    busy = [code for code in counties if code not in idle]
    if dry_run:
        return Started(None, idle, busy)
    operation = Operation(uuid4(), session.code, county_prefix, by.now, by.actor.subject)
    await by.arrangements.insert_operation(operation)
    start = Start(session.code, by.now, by.actor.subject, anew, operation.operation_id)
    _, started = await _insert(by, start, idle)
    said = {"operation_id": str(operation.operation_id)}
    await _note(by, start, county_prefix, started, said)
    return Started(operation.operation_id, started, busy)


def _require_startable(session: Session, now: datetime, *, anew: bool) -> None:
    session.require_arrangeable(now)
    if anew and now >= session.printing_opens_at and not session.dual_control:
        raise DomainError("ANEW_NOT_ALLOWED")


async def _insert(
    by: Starting, start: Start, county_codes: Sequence[str]
) -> tuple[list[Arrangement], list[str]]:
    """Arrangements of the counties, and in which of them they were added.

    Whoever starts again on what is in force gets the seed that was fixed on it first: nobody
    draws until the seats please.
    """
    await by.arrangements.hold_starts(start.session_code)
    bases = await by.arrangements.bases(start.session_code, county_codes)
    arrangements = [_new(start, base, by.keys) for base in bases]
    return arrangements, await by.arrangements.insert(start, arrangements)


def _new(start: Start, base: Base, keys: KeyRing) -> Arrangement:
    seed, arrangement_id = _seed(base, keys), uuid4()
    return Arrangement(
        arrangement_id=arrangement_id,
        session_code=start.session_code,
        county_code=base.county_code,
        state=ArrangementState.PENDING,
        seed_enc=keys.encrypt(seed, seed_context(arrangement_id)),
        seed_sha256=seed_sha256(seed),
        started_at=start.started_at,
        started_by=start.started_by,
        seeded_on=base.in_force,
        fixes_seed=base.seeded_by is None,
        operation_id=start.operation_id,
        anew=start.anew,
    )


def _seed(base: Base, keys: KeyRing) -> bytes:
    if base.seeded_by is None or base.seed_enc is None:
        return secrets.token_bytes(SEED_BYTES)
    return keys.decrypt(base.seed_enc, seed_context(base.seeded_by))


async def _note(
    by: Starting, start: Start, area: str, started: Sequence[str], said: dict[str, str]
) -> None:
    await by.audit.add(
        by.actor,
        AUDITED_AS,
        by.now,
        session_code=start.session_code,
        county_prefix=area,
        before={},
        after={**said, "anew": start.anew, "county_codes": started},
    )
