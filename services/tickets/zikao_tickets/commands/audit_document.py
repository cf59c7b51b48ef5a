"""Documents show names and photos: who begins, fetches and cancels one is noted."""

from datetime import datetime

from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.domain.documents import Document


async def audit_document(
    audit: OfficeAuditStore, document: Document, action: str, *, actor: Actor, now: datetime
) -> None:
    """Note what was done with a document: `start`, `fetch` or `cancel`."""
    await audit.add(
        actor,
        f"{action}_document",
        now,
        session_code=document.session_code,
        county_prefix=document.county_code,
        before={},
        after={
            "document_id": str(document.document_id),
            "kind": document.kind,
            "site_code": document.scope.site_code or "",
            "slot": document.scope.slot or 0,
        },
    )
