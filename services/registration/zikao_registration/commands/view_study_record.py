"""What became of a candidate's numbers (DOMAIN section 3, Standing)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.study_records import StudyRecord, require_open
from zikao_registration.stores.registrations import Store
from zikao_registration.stores.study_records import StudyRecordStore


async def view_own_study_record(
    store: Store, records: StudyRecordStore, *, actor: Actor, now: datetime
) -> StudyRecord:
    """The actor's record; what is closed is refused before anything of it is read.

    Raises DomainError STUDY_RECORD_CLOSED, NOT_FOUND for who never had a number.
    """
    sessions = await store.sessions.load_all()
    require_open([window for session in sessions for window in session.enrollment], now)
    return await _load(store, records, UUID(actor.subject))


async def view_study_record(
    store: Store, records: StudyRecordStore, candidate_id: UUID, *, actor: Actor, now: datetime
) -> StudyRecord:
    """A record in the office's scope. Raises DomainError NOT_FOUND, OUT_OF_SCOPE."""
    record = await _load(store, records, candidate_id)
    actor.require_scope(record.registration.personal.county_code)
    await store.audit(actor, "view_study_record", now, candidate_id)
    return record


async def _load(store: Store, records: StudyRecordStore, candidate_id: UUID) -> StudyRecord:
    registration = await store.get_registration(candidate_id)
    numbers = await records.list_ticket_numbers(candidate_id)
    if not numbers:
        raise DomainError(NOT_FOUND)
    decisions = await records.list_decisions(candidate_id)
    changes = await records.list_standing_changes(candidate_id)
    return StudyRecord(registration, numbers, decisions, changes)
