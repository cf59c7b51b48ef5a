"""The office's work: taken from the list, given back (DOMAIN section 3, Review)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Registration
from zikao_registration.stores.registrations import Store
from zikao_registration.stores.reviews import ReviewStore


async def lease_registrations(
    reviews: ReviewStore,
    code_prefix: str,
    max_count: int,
    *,
    until: datetime,
    actor: Actor,
    now: datetime,
) -> Sequence[Registration]:
    """Pending registrations of the area, the longest waiting first; nobody else gets them.

    What the officer holds already comes again; what the officer has approved first, and another
    is to confirm, does not. Raises DomainError OUT_OF_SCOPE.
    """
    actor.require_scope(code_prefix)
    leased = await reviews.lease(UUID(actor.subject), until, code_prefix, now, max_count)
    if not leased:
        return []
    after = {"leased_until": until.isoformat()}
    store = reviews.registrations
    await store.audit(actor, "lease_registration", now, *leased, after=after)
    return await store.get_registrations(leased)


async def audit_repeated_lease(
    store: Store, candidate_ids: Sequence[UUID], *, actor: Actor, now: datetime
) -> None:
    """The stored answer to a lease is given again: a full view again, and audited as one."""
    if candidate_ids:
        await store.audit(actor, "view_leased_again", now, *candidate_ids)


async def release_leases(
    reviews: ReviewStore, candidate_ids: Sequence[UUID], *, actor: Actor, now: datetime
) -> Sequence[UUID]:
    """Give back what the officer holds of these, of all for no ids; return what was."""
    released = await reviews.release(UUID(actor.subject), candidate_ids)
    if released:
        await reviews.registrations.audit(actor, "release_lease", now, *released)
    return released
