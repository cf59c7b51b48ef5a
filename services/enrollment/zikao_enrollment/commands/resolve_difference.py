"""Clears up a difference: an officer's word, and where two are needed another officer's."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, OUT_OF_SCOPE, DomainError
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_enrollment.domain.differences import Difference, Resolution
from zikao_enrollment.stores.differences import DifferenceStore

PROVINCE_OFFICER = "province_officer"


async def resolve_difference(
    store: DifferenceStore,
    audit: OfficeAuditStore,
    difference_id: UUID,
    resolution: Resolution,
    *,
    reason: str,
    dual_control: Mapping[str, bool],
    actor: Actor,
    now: datetime,
) -> Difference:
    """The difference after an officer's word, which may only be proposed by it.

    `dual_control` says it of each session by code. Raises DomainError NOT_FOUND, OUT_OF_SCOPE,
    DIFFERENCE_NOT_OPEN, PAYMENT_NOT_SETTLED.
    """
    before = await _lock(store, difference_id, actor)
    # Of an order that is not known it may be any session's.
    dual = dual_control.get(before.session_code, any(dual_control.values()))
    after = before.decided(resolution, reason, actor.subject, now, dual=dual)
    await store.update(after)
    await _add_entry(audit, "resolve_difference", (before, after), actor, now)
    return after


async def confirm_resolution(
    store: DifferenceStore,
    audit: OfficeAuditStore,
    difference_id: UUID,
    *,
    confirmed: bool,
    proposed_at: datetime,
    actor: Actor,
    now: datetime,
) -> Difference:
    """The difference after the second officer's word on a proposal, open again after a no.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, NOTHING_PROPOSED, SECOND_OFFICER_NEEDED,
    PAYMENT_NOT_SETTLED.
    """
    before = await _lock(store, difference_id, actor)
    if confirmed:
        after = before.confirmed(actor.subject, proposed_at, now)
    else:
        after = before.reopened(proposed_at)
    await store.update(after)
    await _add_entry(audit, "confirm_resolution", (before, after), actor, now)
    return after


async def _lock(store: DifferenceStore, difference_id: UUID, actor: Actor) -> Difference:
    found = await store.lock(difference_id)
    if found is None:
        raise DomainError(NOT_FOUND)
    require_area(actor, found.county_code)
    return found


def require_area(actor: Actor, county_code: str) -> None:
    """Money of a county is its officers'; that of none ("") the province's alone.

    Raises DomainError OUT_OF_SCOPE.
    """
    if county_code:
        actor.require_scope(county_code)
    elif actor.role != PROVINCE_OFFICER:
        raise DomainError(OUT_OF_SCOPE)


async def _add_entry(
    audit: OfficeAuditStore,
    action: str,
    change: tuple[Difference, Difference],
    actor: Actor,
    now: datetime,
) -> None:
    before, after = change
    await audit.add(
        actor,
        action,
        now,
        session_code=after.session_code,
        county_prefix=after.county_code or actor.scope,
        before=_told(before),
        after=_told(after),
    )


def _told(difference: Difference) -> Mapping[str, object]:
    return {
        "difference_id": str(difference.difference_id),
        "kind": difference.kind,
        "here_fen": difference.here_fen,
        "there_fen": difference.there_fen,
        "state": difference.state,
        "resolution": difference.resolution,
        "reason": difference.reason,
        "decided_by": difference.decided_by,
        "confirmed_by": difference.confirmed_by,
    }
