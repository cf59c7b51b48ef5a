"""Put an arrangement in force and issue the tickets of its county (DOMAIN section 5)."""

from datetime import datetime
from uuid import UUID

from zikao_kit.errors import DomainError
from zikao_kit.tokens import Actor

from zikao_tickets.commands.find_arrangement import in_scope
from zikao_tickets.domain.states import Arrangement
from zikao_tickets.domain.violations import in_words
from zikao_tickets.stores.arrangements import ArrangementStore


async def publish_arrangement(
    store: ArrangementStore, arrangement_id: UUID, *, actor: Actor, now: datetime
) -> Arrangement:
    """Check by SQL, publish, issue tickets; a ticket whose seats changed gets a new version.

    Raises DomainError NOT_FOUND, OUT_OF_SCOPE, STATE_NOT_ALLOWED (not done, or another was
    published since it was made), and ARRANGEMENT_INVALID naming violations; then nothing was
    published.
    """
    arrangement = in_scope(await store.lock(arrangement_id), actor)
    arrangement.require_done()
    county = (arrangement.session_code, arrangement.county_code)
    await store.lock_county(*county)
    in_force = await store.in_force(*county)
    arrangement.require_based_on(in_force)
    if violations := await store.violations(arrangement_id):
        raise DomainError("ARRANGEMENT_INVALID", detail=in_words(violations))
    if unknown := await store.unknown_candidates(arrangement_id):
        raise DomainError("ARRANGEMENT_INVALID", detail=f"{unknown}名考生信息尚未到达")
    if in_force is not None:
        await store.supersede(in_force)
    await store.revoke_changed_tickets(arrangement_id, now)
    await store.issue_tickets(arrangement_id, now)
    await store.put_in_force(arrangement_id, now, actor.subject)
    published = await store.load(arrangement_id)
    assert published is not None, "locked above"
    return published
