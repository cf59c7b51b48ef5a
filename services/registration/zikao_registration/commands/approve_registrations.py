"""Approve a whole list in one transaction (DOMAIN section 3, Review)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from zikao_kit.tokens import Actor

from zikao_registration.commands.decide_registrations import (
    Outcome,
    Proposal,
    decide_registrations,
)
from zikao_registration.domain.registration import Decision
from zikao_registration.stores.reviews import ReviewStore


async def approve_registrations(
    reviews: ReviewStore, candidate_ids: Sequence[UUID], *, actor: Actor, now: datetime
) -> list[Outcome]:
    """What became of each, in their order; those that are refused stop no other."""
    locked = await reviews.lock(candidate_ids)
    approval = Decision(approved=True, reasons=(), comment="", decided_at=now)
    proposals = [Proposal(candidate_id, approval, actor) for candidate_id in candidate_ids]
    return await decide_registrations(reviews, proposals, locked)
