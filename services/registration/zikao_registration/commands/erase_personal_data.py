"""Erase a person's data that is needed no more (DOMAIN section 7)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.erasure import require_erasable
from zikao_registration.stores.accounts import AccountStore
from zikao_registration.stores.privacy import PrivacyStore
from zikao_registration.stores.registrations import Store

ERASED_AT_ONCE = 100
RETENTION = Actor(subject="retention", role="service")


async def require_own_erasable(store: Store, privacy: PrivacyStore, actor: Actor) -> None:
    """Refuse before a password is looked at; raises what `erase_personal_data` would raise now."""
    candidate_id = UUID(actor.subject)
    registration = await store.get_registration(candidate_id)
    had_number = await privacy.had_ticket_number(candidate_id)
    require_erasable(registration, had_ticket_number=had_number)


async def erase_personal_data(
    store: Store, accounts: AccountStore, privacy: PrivacyStore, *, actor: Actor, now: datetime
) -> None:
    """Erase the actor's own. Raises DomainError NOT_FOUND, ERASURE_NOT_ALLOWED."""
    candidate_id = UUID(actor.subject)
    registration = await store.get_registration(candidate_id, for_update=True)
    had_number = await privacy.had_ticket_number(candidate_id)
    require_erasable(registration, had_ticket_number=had_number)
    before = {"state": registration.state}
    await store.audit(actor, "erase_personal_data", now, candidate_id, before=before)
    await _erase(accounts, privacy, [candidate_id], now)


async def erase_abandoned(
    store: Store, accounts: AccountStore, privacy: PrivacyStore, until: datetime, now: datetime
) -> int:
    """Erase some who were abandoned at or before `until`; return how many."""
    candidate_ids = await privacy.lock_abandoned(until, ERASED_AT_ONCE)
    if candidate_ids:
        before = {"state": "abandoned"}
        await store.audit(RETENTION, "erase_personal_data", now, *candidate_ids, before=before)
        await _erase(accounts, privacy, candidate_ids, now)
    return len(candidate_ids)


async def _erase(
    accounts: AccountStore, privacy: PrivacyStore, candidate_ids: Sequence[UUID], now: datetime
) -> None:
    # Before their logins, as everybody does: one that is just beginning would outlive them.
    await accounts.lock(candidate_ids)
    for candidate_id in candidate_ids:
        await accounts.revoke_logins(candidate_id, now)
    await privacy.erase(candidate_ids)
