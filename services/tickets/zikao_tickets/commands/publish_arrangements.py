"""The act of publishing: one county at once, many by a worker (DOMAIN sections 5 and 7)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from zikao_kit.errors import DomainError

from zikao_tickets.commands.publish_arrangement import publish_arrangement, require_publishable
from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.domain.publication import Publishable, PublishArrangements
from zikao_tickets.domain.states import ArrangementState, require_state
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.publishing import PublishingStore


async def propose_publication(
    store: PublishingStore, session_code: str, county_prefix: str
) -> PublishArrangements:
    """What can be published in an area; raises DomainError NOTHING_TO_PUBLISH."""
    found = await store.publishable(session_code, county_prefix)
    if not found:
        raise DomainError("NOTHING_TO_PUBLISH")
    return PublishArrangements(tuple(found))


async def publish_arrangements(stores: ArrangingStores, order: Order) -> Effect:
    """Publish one arrangement, or approve many, which a worker then publishes.

    With `dry_run` they are looked at only; one is checked whole, of many each was checked when
    it was done and will be again. Raises DomainError STATE_NOT_ALLOWED, ARRANGEMENT_CHANGED and,
    for one, ARRANGEMENT_INVALID.
    """
    act = order.proposal.act
    assert isinstance(act, PublishArrangements)
    if len(act.arrangements) == 1:
        await _publish_one(stores, act.arrangements[0], order)
    else:
        await _approve(stores.publishing, act, order)
    return Effect(before={}, after=_told(act))


async def _publish_one(stores: ArrangingStores, proposed: Publishable, order: Order) -> None:
    arrangement = await stores.arrangements.lock(proposed.arrangement_id)
    assert arrangement is not None, "proposed, and never deleted"
    _require_same(proposed, arrangement.seats_sha256, arrangement.state)
    if order.dry_run:
        await require_publishable(stores, arrangement)
    else:
        await publish_arrangement(stores, arrangement, officer=order.officer, now=order.now)


async def _approve(store: PublishingStore, act: PublishArrangements, order: Order) -> None:
    ids = [each.arrangement_id for each in act.arrangements]
    found = await store.lock(ids)
    for proposed in act.arrangements:
        _require_same(proposed, *found[proposed.arrangement_id])
    if not order.dry_run:
        await store.approve(ids, order.now, order.officer)


def _require_same(proposed: Publishable, seats_sha256: bytes, state: ArrangementState) -> None:
    require_state(state, ArrangementState.DONE)
    if proposed.seats_sha256 != seats_sha256:
        raise DomainError("ARRANGEMENT_CHANGED")


async def publish_approved(
    stores: ArrangingStores, arrangement_id: UUID, *, officer: str, now: datetime
) -> None:
    """Publish one that was approved; raises DomainError as `publish_arrangement`."""
    arrangement = await stores.arrangements.lock(arrangement_id)
    assert arrangement is not None, "taken, and never deleted"
    await publish_arrangement(stores, arrangement, officer=officer, now=now)


def _told(act: PublishArrangements) -> dict[str, Any]:
    return {"arrangements": [str(each.arrangement_id) for each in act.arrangements]}
