"""The act of publishing: one county at once, many by a worker (DOMAIN sections 5 and 7)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_tickets.commands.publish_arrangement import publish_arrangement, require_publishable
from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.domain.publication import PublishArrangements
from zikao_tickets.domain.states import ArrangementState, require_state
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.publishing import Locked, PublishingStore


async def propose_publication(
    store: PublishingStore, session_code: str, county_prefix: str, *, above_bound: bool
) -> PublishArrangements:
    """What can be published in an area; raises DomainError NOTHING_TO_PUBLISH."""
    found = await store.publishable(session_code, county_prefix)
    if not found:
        raise DomainError("NOTHING_TO_PUBLISH")
    return PublishArrangements(tuple(found), above_bound)


async def publish_arrangements(stores: ArrangingStores, order: Order) -> Effect:
    """Publish one arrangement, or approve many, which a worker then publishes.

    With `dry_run` they are looked at only; one is checked whole, of many each was checked when
    it was done and will be again. Raises DomainError STATE_NOT_ALLOWED, ARRANGEMENT_CHANGED,
    MORE_ROOMS_THAN_BOUND and, for one, ARRANGEMENT_INVALID.
    """
    act = order.proposal.act
    assert isinstance(act, PublishArrangements)
    ids = [each.arrangement_id for each in act.arrangements]
    _require_proposed(act, await stores.publishing.lock(ids))
    if len(ids) == 1:
        await _publish_one(stores, ids[0], order)
    elif not order.dry_run:
        await stores.publishing.approve(ids, order.now, order.officer)
    return Effect(before={}, after=_told(act))


async def _publish_one(stores: ArrangingStores, arrangement_id: UUID, order: Order) -> None:
    arrangement = await stores.arrangements.load(arrangement_id)
    assert arrangement is not None, "locked a moment ago"
    if order.dry_run:
        await require_publishable(stores, arrangement)
    else:
        await publish_arrangement(stores, arrangement, officer=order.officer, now=order.now)


def _require_proposed(act: PublishArrangements, found: Mapping[UUID, Locked]) -> None:
    for proposed in act.arrangements:
        now = found[proposed.arrangement_id]
        require_state(now.state, ArrangementState.DONE)
        if proposed.seats_sha256 != now.seats_sha256:
            raise DomainError("ARRANGEMENT_CHANGED")
    above = sorted(each.county_code for each in found.values() if each.is_above_bound)
    if above and not act.above_bound:
        raise DomainError("MORE_ROOMS_THAN_BOUND", counties="、".join(above))


async def publish_approved(
    stores: ArrangingStores, arrangement_id: UUID, *, officer: str, now: datetime
) -> None:
    """Publish one that was approved; raises DomainError as `publish_arrangement`."""
    arrangement = await stores.arrangements.lock(arrangement_id)
    assert arrangement is not None, "taken, and never deleted"
    await publish_arrangement(stores, arrangement, officer=officer, now=now)


def _told(act: PublishArrangements) -> dict[str, Any]:
    ids = [str(each.arrangement_id) for each in act.arrangements]
    return {"arrangements": ids, "above_bound": act.above_bound}
