"""Change the standing of a study record (DOMAIN section 3, Standing)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.provinces import other_province
from zikao_registration.domain.registration import Registration, Standing
from zikao_registration.domain.standings import (
    ENDING,
    TRANSFER_WINDOW,
    require_change,
    require_few_transfers,
    require_withdrawal,
)
from zikao_registration.stores.registrations import Store
from zikao_registration.stores.study_records import StudyRecordStore


async def set_standing(
    store: Store,
    records: StudyRecordStore,
    candidate_id: UUID,
    standing: Standing,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
) -> Registration:
    """An office sets it, of a candidate in its scope.

    Raises DomainError NOT_FOUND (also without a ticket number), OUT_OF_SCOPE,
    STANDING_NOT_ALLOWED.
    """
    before = await _lock(store, candidate_id)
    actor.require_scope(before.personal.county_code)
    return await _change(store, records, before, standing, reason, actor=actor, now=now)


async def request_transfer(
    store: Store, records: StudyRecordStore, province_code: str, *, actor: Actor, now: datetime
) -> Registration:
    """The actor wants to go to another province, and enrolls here no more.

    Raises DomainError NOT_FOUND, INVALID_REQUEST for this province or none, STANDING_NOT_ALLOWED,
    TRANSFER_LIMIT.
    """
    before = await _lock(store, UUID(actor.subject))
    province = other_province(province_code, before.personal.county_code)
    require_change(before.standing, Standing.TRANSFER_REQUESTED)
    since = now - TRANSFER_WINDOW
    require_few_transfers(await records.list_transfer_requests(before.candidate_id, since), now)
    standing, reason = Standing.TRANSFER_REQUESTED, f"申请转往{province}"
    return await _change(store, records, before, standing, reason, actor=actor, now=now)


async def withdraw_transfer(
    store: Store, records: StudyRecordStore, *, actor: Actor, now: datetime
) -> Registration:
    """The actor stays. Raises DomainError NOT_FOUND, STANDING_NOT_ALLOWED without a request."""
    before = await _lock(store, UUID(actor.subject))
    require_withdrawal(before.standing)
    return await _change(store, records, before, Standing.ACTIVE, "", actor=actor, now=now)


async def _lock(store: Store, candidate_id: UUID) -> Registration:
    registration = await store.get_registration(candidate_id, for_update=True)
    if not registration.ticket_number:
        raise DomainError(NOT_FOUND)
    return registration


async def _change(
    store: Store,
    records: StudyRecordStore,
    before: Registration,
    standing: Standing,
    reason: str,
    *,
    actor: Actor,
    now: datetime,
) -> Registration:
    require_change(before.standing, standing)
    after = replace(before, standing=standing, standing_reason=reason, updated_at=now)
    await records.set_standing(after)
    if standing in ENDING:
        await records.end_ticket_number(after)
    standings = {"standing": before.standing}, {"standing": after.standing}
    await store.audit(
        actor, "set_standing", now, before.candidate_id, before=standings[0], after=standings[1]
    )
    await store.publish(after)
    return after
