"""Start the arrangement of a county, or of all counties of an area (DOMAIN section 5)."""

import secrets
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError

from zikao_tickets.domain.draw import SEED_BYTES, seed_sha256
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.states import IN_PROGRESS_ELSEWHERE, Arrangement, ArrangementState
from zikao_tickets.stores.arrangements import ArrangementStore, Operation


class Started(NamedTuple):
    """Counties that were started, or would be, and those where one is in progress already."""

    operation_id: UUID | None
    county_codes: list[str]
    in_progress: list[str]


async def start_arrangement(
    store: ArrangementStore,
    session: Session,
    county_code: str,
    *,
    anew: bool,
    keys: KeyRing,
    actor: str,
    now: datetime,
) -> Arrangement:
    """Fix the seed, publish its hash, and leave the work to a worker.

    Raises DomainError ARRANGEMENT_TOO_EARLY while seats may still be taken or paid,
    ANEW_NOT_ALLOWED, and STATE_NOT_ALLOWED while another arrangement of the county is in progress.
    """
    _require_startable(session, now, anew=anew)
    arrangement = _new(session.code, county_code, keys, now, anew=anew)
    if not await store.insert(arrangement, actor):
        raise DomainError("STATE_NOT_ALLOWED", state=IN_PROGRESS_ELSEWHERE)
    return arrangement


async def start_arrangements(
    store: ArrangementStore,
    session: Session,
    county_prefix: str,
    *,
    anew: bool,
    dry_run: bool,
    keys: KeyRing,
    actor: str,
    now: datetime,
) -> Started:
    """The same for every county of an area in which somebody sits and none is in progress.

    Raises DomainError ARRANGEMENT_TOO_EARLY, ANEW_NOT_ALLOWED, NOTHING_TO_ARRANGE.
    """
    _require_startable(session, now, anew=anew)
    counties = await store.counties(session.code, county_prefix)
    idle = [code for code, in_progress in counties.items() if not in_progress]
    if not idle:
        raise DomainError("NOTHING_TO_ARRANGE")
    busy = [code for code in counties if code not in idle]
    if dry_run:
        return Started(None, idle, busy)
    operation = Operation(uuid4(), session.code, county_prefix, now, actor)
    arrangements = [_new(session.code, code, keys, now, anew=anew) for code in idle]
    started = await store.insert_operation(operation, arrangements, anew=anew)
    return Started(operation.operation_id, started, busy)


def _require_startable(session: Session, now: datetime, *, anew: bool) -> None:
    session.require_arrangeable(now)
    if anew and now >= session.printing_opens_at and not session.dual_control:
        raise DomainError("ANEW_NOT_ALLOWED")


def _new(
    session_code: str, county_code: str, keys: KeyRing, now: datetime, *, anew: bool
) -> Arrangement:
    seed, arrangement_id = secrets.token_bytes(SEED_BYTES), uuid4()
    return Arrangement(
        arrangement_id=arrangement_id,
        session_code=session_code,
        county_code=county_code,
        state=ArrangementState.PENDING,
        seed_enc=keys.encrypt(seed, seed_context(arrangement_id)),
        seed_sha256=seed_sha256(seed),
        started_at=now,
        anew=anew,
    )
