"""Names are looked at before anybody prints: does some font draw them? (DOMAIN section 5)"""

from collections.abc import Sequence
from datetime import datetime

from zikao_kit.office_audit import OfficeAuditStore
from zikao_kit.tokens import Actor

from zikao_tickets.domain.glyphs import NamedTicket, Pictures
from zikao_tickets.stores.glyphs import GlyphStore


async def note_names(
    store: GlyphStore,
    pictures: Pictures,
    tickets: Sequence[NamedTicket],
    missing: Sequence[str],
    now: datetime,
) -> None:
    """List the tickets whose names have characters that neither font nor picture draws.

    Whoever supplies a picture waits meanwhile: it would look for the names on the list that need
    it, and miss those that are being listed.
    """
    await store.lock_pictures()
    await store.renew(pictures)
    pairs = zip(tickets, missing, strict=True)
    await store.note_checked([(each, pictures.undrawn(lacks)) for each, lacks in pairs], now)


async def recheck_unprintable(
    store: GlyphStore,
    audit: OfficeAuditStore,
    session_code: str,
    county_prefix: str,
    *,
    actor: Actor,
    now: datetime,
) -> tuple[int, int]:
    """How many names are looked at again, and how many photos have come."""
    photos = await store.clear_arrived_photos(session_code, county_prefix)
    names = await store.recheck(session_code, county_prefix)
    await audit.add(
        actor,
        "recheck_unprintable",
        now,
        session_code=session_code,
        county_prefix=county_prefix,
        before={},
        after={"names": names, "photos": photos},
    )
    return names, photos
