"""Finds out in which session and county a refund is asked for again (DOMAIN section 7)."""

from collections.abc import Iterable
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_enrollment.commands.resolve_difference import require_area
from zikao_enrollment.domain.office_acts import Proposal, RequestRefundAgain
from zikao_enrollment.domain.timetable import Session
from zikao_enrollment.stores.money import MoneyStore


async def propose_refund(
    store: MoneyStore, refund_id: UUID, sessions: Iterable[Session], actor: Actor
) -> Proposal:
    """What an officer wants to do: in the county of the refund's order.

    Of an order that is not known it may be any session's: one with dual control if there is one.
    Raises DomainError NOT_FOUND, OUT_OF_SCOPE.
    """
    place = await store.find_refund_place(refund_id)
    if place is None:
        raise DomainError(NOT_FOUND)
    require_area(actor, place.county_code)
    act = RequestRefundAgain(refund_id)
    if place.county_code:
        return Proposal(place.session_code, place.county_code, act)
    strictest = max(sessions, key=lambda each: each.policies.dual_control, default=None)
    return Proposal(strictest.code if strictest else "", actor.scope, act)
