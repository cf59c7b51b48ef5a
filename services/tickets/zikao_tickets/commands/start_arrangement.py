"""Start the arrangement of a county (DOMAIN section 5)."""

from datetime import datetime
from uuid import uuid4

from zikao_kit.crypto import KeyRing

from zikao_tickets.domain.draw import new_seed, seed_sha256
from zikao_tickets.domain.person import seed_context
from zikao_tickets.domain.session import Session
from zikao_tickets.domain.states import Arrangement, ArrangementState
from zikao_tickets.store import ArrangementStore


async def start_arrangement(
    store: ArrangementStore,
    session: Session,
    county_code: str,
    *,
    keys: KeyRing,
    actor: str,
    enrollments_as_of: datetime | None,
    now: datetime,
) -> Arrangement:
    """Fix the seed, publish its hash, and leave the work to a worker.

    Raises DomainError ARRANGEMENT_TOO_EARLY while enrollment is open, or its changes
    up to its end have not come here.
    """
    session.require_arrangeable(now, enrollments_as_of)
    seed, arrangement_id = new_seed(), uuid4()
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
    await store.insert(arrangement, actor)
    return arrangement
