"""The audit trail, for auditors; reading it leaves an entry too (DOMAIN section 7)."""

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.tokens import Actor

from zikao_registration.domain.audit_trail import AuditEntry, AuditFilter
from zikao_registration.stores.audits import AuditStore
from zikao_registration.stores.registrations import Store

DEFAULT_PAGE_SIZE = 50


async def list_audit_entries(
    audits: AuditStore,
    store: Store,
    wanted: AuditFilter,
    before: tuple[datetime, int] | None,
    page_size: int,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[Sequence[AuditEntry], AuditEntry | None]:
    """A page of entries, and its last one when there are more. Raises DomainError OUT_OF_SCOPE.

    `wanted.area` None: all entries, also those of no county; that needs the province's scope.
    """
    actor.require_scope(wanted.area or actor.scope[:2])
    size = page_size or DEFAULT_PAGE_SIZE
    found = await audits.list_page(wanted, before, size + 1)
    entries = found[:size]
    named = {"action": wanted.action, "actor": wanted.actor, "entries": len(entries)}
    await store.audit(
        actor,
        "list_audit_entries",
        now,
        *([wanted.candidate_id] if wanted.candidate_id else []),
        after={key: value for key, value in named.items() if value is not None},
        county_code=wanted.area or "",
    )
    return entries, entries[-1] if len(found) > size else None
