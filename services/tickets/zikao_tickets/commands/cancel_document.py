"""A document that is not wanted any more."""

from datetime import datetime
from uuid import UUID

from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.commands.audit_document import audit_document
from zikao_tickets.commands.find_document import document_in_scope
from zikao_tickets.domain.documents import DocumentState
from zikao_tickets.stores.documents import DocumentStore


async def cancel_document(
    store: DocumentStore, audit: OfficeAuditStore, document_id: UUID, *, actor: Actor, now: datetime
) -> None:
    """Let no more of it be fetched. Raises DomainError NOT_FOUND and OUT_OF_SCOPE."""
    document = document_in_scope(await store.lock(document_id), actor)
    await store.set_state(document_id, DocumentState.CANCELLED)
    await audit_document(audit, document, "cancel", actor=actor, now=now)
