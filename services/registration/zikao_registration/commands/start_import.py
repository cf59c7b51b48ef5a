"""Begin an import of older candidates, or go on with it (DOMAIN section 3, Activation)."""

from uuid import UUID

from zikao_kit.errors import NOT_FOUND, DomainError
from zikao_kit.tokens import Actor

from zikao_registration.domain.older_imports import OlderImport
from zikao_registration.stores.older import OlderStore
from zikao_registration.stores.registrations import Store


async def start_import(
    older: OlderStore, store: Store, new: OlderImport, *, actor: Actor
) -> OlderImport:
    """The import as it is: new, or as far as it has come; raises DomainError REQUEST_ID_REUSED."""
    if not await older.insert_import(new, actor.subject):
        known = await older.get_import(new.import_id)
        new.require_same(known)
        return known
    after = {"import_id": str(new.import_id), "total_rows": new.total_rows}
    after |= {"replaces": new.replaces, "dry_run": new.dry_run}
    await store.audit(actor, "start_import", new.started_at, after=after, county_code=new.scope)
    return new


async def find_import(
    older: OlderStore, import_id: UUID, *, actor: Actor, for_update: bool = False
) -> OlderImport:
    """An import of the actor's; raises DomainError NOT_FOUND also for another office's."""
    found = await older.get_import(import_id, for_update=for_update)
    of_service = not found.scope
    if of_service != (actor.role == "service") or not actor.covers(found.scope):
        raise DomainError(NOT_FOUND)
    return found
