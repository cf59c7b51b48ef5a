"""Start the arrangement of a county (DOMAIN section 5)."""

import secrets
from datetime import datetime
from uuid import uuid4

from zikao_kit.crypto import KeyRing
from zikao_kit.errors import DomainError

from zikao_tickets.domain.draw import SEED_BYTES, seed_sha256
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.states import IN_PROGRESS_ELSEWHERE, Arrangement, ArrangementState
from zikao_tickets.stores.arrangements import ArrangementStore


async def start_arrangement(
    store: ArrangementStore,
    session: Session,
    county_code: str,
    *,
    keys: KeyRing,
    actor: str,
    now: datetime,
) -> Arrangement:
    """Fix the seed, publish its hash, and leave the work to a worker.

    Raises DomainError ARRANGEMENT_TOO_EARLY while seats may still be taken or paid, and
    STATE_NOT_ALLOWED while another arrangement of the county is in progress.
    """
    session.require_arrangeable(now)
    seed, arrangement_id = secrets.token_bytes(SEED_BYTES), uuid4()
    arrangement = Arrangement(
        arrangement_id=arrangement_id,
        session_code=session.code,
        county_code=county_code,
        state=ArrangementState.PENDING,
        seed_enc=keys.encrypt(seed, seed_context(arrangement_id)),
        seed_sha256=seed_sha256(seed),
        candidates=0,
        sittings=0,
        rooms=0,
        failure="",
        started_at=now,
    )
    if not await store.insert(arrangement, actor):
        raise DomainError("STATE_NOT_ALLOWED", state=IN_PROGRESS_ELSEWHERE)
    return arrangement
