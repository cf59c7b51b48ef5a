"""Abandon what its deadlines have passed (DOMAIN section 3, States)."""

from collections import defaultdict
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.session import Session
from zikao_registration.domain.states import Action, State, next_state
from zikao_registration.stores.registrations import Store

EXPIRED_AT_ONCE = 1000
DEADLINES = Actor(subject="deadlines", role="service")


async def expire_registrations(store: Store, session: Session, now: datetime) -> int:
    """Drafts, rejected ones and pending ones without material, some at once; return how many."""
    states = session.expired_states(now)
    if not states:
        return 0
    locked = await store.lock_expired(session.code, states, EXPIRED_AT_ONCE)
    by_state: dict[State, list[UUID]] = defaultdict(list)
    for candidate_id, state in locked.items():
        by_state[state].append(candidate_id)
    for state, candidate_ids in by_state.items():
        await _expire(store, state, candidate_ids, now)
    return len(locked)


async def _expire(store: Store, before: State, candidate_ids: list[UUID], now: datetime) -> None:
    after = next_state(before, Action.EXPIRE)
    await store.expire(candidate_ids, after, now)
    await store.audit(
        DEADLINES,
        "abandon_registration",
        now,
        *candidate_ids,
        before={"state": before},
        after={"state": after},
    )
