"""A registration in full, for an officer in scope: an audited view (DOMAIN section 7)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.domain.registration import Registration
from zikao_registration.domain.reviewing import PastDecision
from zikao_registration.stores.reviews import ReviewStore


async def view_registration(
    reviews: ReviewStore, candidate_id: UUID, *, actor: Actor, now: datetime
) -> tuple[Registration, Sequence[PastDecision]]:
    """The registration and all decisions on it. Raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    store = reviews.registrations
    registration = await store.get_registration(candidate_id)
    actor.require_scope(registration.personal.county_code)
    await store.audit(actor, "view_registration", now, candidate_id)
    return registration, await reviews.list_decisions(candidate_id)
