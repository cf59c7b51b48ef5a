"""What anybody may know of the draws of a county (DOMAIN section 5)."""

from zikao_kit.crypto import KeyRing

from zikao_tickets.domain.publication import PublicDraw
from zikao_tickets.stores.arrangements import ArrangementStore

MAX_DRAWS = 100


async def list_draws(
    store: ArrangementStore, session_code: str, county_code: str, keys: KeyRing
) -> list[PublicDraw]:
    """At most MAX_DRAWS, the newest first."""
    return await store.draws(session_code, county_code, MAX_DRAWS, keys)
