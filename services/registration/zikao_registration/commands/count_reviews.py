"""How the work of offices goes (DOMAIN section 3, Review)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.domain.work_list import CountyStatistics
from zikao_registration.stores.work_lists import WorkListStore


@dataclass(frozen=True)
class ReviewStatistics:
    """Each county of an area; `is_overdue` when reviews were to have ended by now."""

    counties: Sequence[CountyStatistics]
    is_overdue: bool


async def count_reviews(
    lists: WorkListStore, session_code: str, area: str, *, actor: Actor, now: datetime
) -> ReviewStatistics:
    """Counts, ages and times. Raises DomainError OUT_OF_SCOPE, SESSION_UNKNOWN."""
    actor.require_scope(area)
    session = await lists.registrations.sessions.load(session_code)
    counties = await lists.count(session_code, area, now)
    return ReviewStatistics(counties, is_overdue=now >= session.review_closes_at)
