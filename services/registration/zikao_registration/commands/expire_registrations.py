"""Abandon what its deadlines have passed (DOMAIN section 3, States)."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.session import Session
from zikao_registration.domain.states import State
from zikao_registration.store import Store

EXPIRED_AT_ONCE = 1000
DEADLINES = Actor(subject="deadlines", role="service")


async def expire_registrations(store: Store, session: Session, now: datetime) -> int:
    """Drafts, rejected ones and pending ones without material, some at once; return how many."""
    expired = await store.expire(session, now, EXPIRED_AT_ONCE)
    by_state: dict[State, list[UUID]] = defaultdict(list)
    for candidate_id, state in expired:
        by_state[state].append(candidate_id)
    for state, candidate_ids in by_state.items():
        await store.audit(
            DEADLINES,
            "abandon_registration",
            now,
            *candidate_ids,
            before={"state": state},
            after={"state": State.ABANDONED},
        )
    return len(expired)
