"""A document that an office wants to print of a county (DOMAIN section 5, Bulk)."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from zikao_kit.errors import DomainError
from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.commands.audit_document import audit_document
from zikao_tickets.domain.documents import Document, DocumentKind, Scope
from zikao_tickets.domain.session import Session
from zikao_tickets.stores.document_items import DocumentItemStore
from zikao_tickets.stores.documents import DocumentStore

NOTHING_TO_PRINT = "NOTHING_TO_PRINT"
_NOT_COUNTED = 0


async def start_document(
    store: DocumentStore,
    items: DocumentItemStore,
    audit: OfficeAuditStore,
    document: Document,
    actor: Actor,
) -> Document:
    """Store it with the number of its items. Raises DomainError NOTHING_TO_PRINT."""
    total = await items.count(document)
    if not total:
        raise DomainError(NOTHING_TO_PRINT)
    document = replace(document, total=total)
    await store.insert(document)
    await audit_document(audit, document, "start", actor=actor, now=document.as_of)
    return document


async def new_document(
    items: DocumentItemStore,
    session: Session,
    county_code: str,
    kind: DocumentKind,
    scope: Scope,
    *,
    actor: str,
    now: datetime,
) -> Document:
    """A document of what is published in the county now.

    Raises DomainError NOTHING_TO_PRINT when nothing is.
    """
    arrangement_id: UUID | None = await items.arrangement_in_force(session.code, county_code)
    if arrangement_id is None:
        raise DomainError(NOTHING_TO_PRINT)
    return Document(
        document_id=uuid4(),
        session_code=session.code,
        county_code=county_code,
        kind=kind,
        scope=scope,
        arrangement_id=arrangement_id,
        as_of=now,
        total=_NOT_COUNTED,
        started_by=actor,
        notice_version=session.notice.version if kind is DocumentKind.TICKETS else None,
    )
