"""What offices did, for auditors, page by page (DOMAIN section 7)."""

from collections.abc import Sequence
from dataclasses import replace

from zikao_kit.tokens import Actor

from zikao_tickets.domain.office_audit import OfficeAuditEntry, OfficeAuditFilter
from zikao_tickets.stores.office_audit import OfficeAuditStore

DEFAULT_PAGE_SIZE = 50


async def list_office_audit(
    store: OfficeAuditStore,
    wanted: OfficeAuditFilter,
    page_size: int,
    page_token: str,
    *,
    actor: Actor,
) -> tuple[Sequence[OfficeAuditEntry], str]:
    """A page of entries and the token of the next, empty after the last.

    Without a prefix those of the auditor's whole scope. Raises DomainError OUT_OF_SCOPE.
    """
    wanted = replace(wanted, county_prefix=wanted.county_prefix or actor.scope)
    actor.require_scope(wanted.county_prefix)
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(wanted, int(page_token) if page_token else None, size + 1)
    entries = found[:size]
    return entries, str(entries[-1].audit_id) if len(found) > size else ""
