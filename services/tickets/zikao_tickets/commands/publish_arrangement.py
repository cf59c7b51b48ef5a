"""Put an arrangement in force and issue the tickets of its county (DOMAIN section 5)."""

from datetime import datetime

from zikao_kit.errors import DomainError

from zikao_tickets.domain.states import KEPT_NOTHING, Arrangement
from zikao_tickets.domain.violations import in_words
from zikao_tickets.stores.arranging import ArrangingStores


async def require_publishable(stores: ArrangingStores, arrangement: Arrangement) -> None:
    """Check an arrangement by SQL, and that it is made on the one in force.

    Raises DomainError STATE_NOT_ALLOWED (another was published since it was made, or what made
    it kept nothing to check), ARRANGEMENT_INVALID naming violations, ARRANGEMENT_CHANGED.
    """
    if not arrangement.seats_sha256:
        raise DomainError("STATE_NOT_ALLOWED", state=KEPT_NOTHING)
    county = (arrangement.session_code, arrangement.county_code)
    arrangement.require_based_on(await stores.arrangements.in_force(*county))
    if violations := await stores.seating.violations(arrangement.arrangement_id):
        raise DomainError("ARRANGEMENT_INVALID", detail=in_words(violations))
    if unknown := await stores.publishing.unknown_candidates(arrangement.arrangement_id):
        raise DomainError("ARRANGEMENT_INVALID", detail=f"{unknown}名考生信息尚未到达")
    if await stores.seating.seats_digest(arrangement.arrangement_id) != arrangement.seats_sha256:
        raise DomainError("ARRANGEMENT_CHANGED")


async def publish_arrangement(
    stores: ArrangingStores, arrangement: Arrangement, *, officer: str, now: datetime
) -> None:
    """Check a locked arrangement, publish it, issue tickets; a changed seat is a new version.

    Raises DomainError as `require_publishable`; then nothing was published.
    """
    await stores.publishing.hold_sites(arrangement.session_code)
    await stores.publishing.lock_counties(arrangement.arrangement_id)
    await require_publishable(stores, arrangement)
    await stores.publishing.revoke_tickets_elsewhere(arrangement.arrangement_id, now)
    if arrangement.based_on is not None:  # else the county has no ticket yet
        await stores.publishing.supersede(arrangement.based_on)
        await stores.publishing.revoke_changed_tickets(arrangement.arrangement_id, now)
    await stores.publishing.issue_tickets(arrangement.arrangement_id, now)
    await stores.versions.announce_published(
        arrangement.session_code, arrangement.arrangement_id, now
    )
    await stores.publishing.put_in_force(arrangement.arrangement_id, now, officer)
