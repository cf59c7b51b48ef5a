"""The office's work list (DOMAIN section 3, Review)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Registration
from zikao_registration.store import Store


async def lease_registrations(
    store: Store, code_prefix: str, max_count: int, *, until: datetime, actor: Actor, now: datetime
) -> Sequence[Registration]:
    """Pending registrations of the area, the longest waiting first; nobody else gets them.

    What the officer holds already comes again. Raises DomainError OUT_OF_SCOPE.
    """
    actor.require_scope(code_prefix)
    leased = await store.lease(UUID(actor.subject), until, code_prefix, now, max_count)
    if not leased:
        return []
    after = {"leased_until": until.isoformat()}
    await store.audit(actor, "lease_registration", now, *leased, after=after)
    return await store.get_registrations(leased)
