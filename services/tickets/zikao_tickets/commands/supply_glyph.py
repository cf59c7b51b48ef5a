"""An office supplies a picture of a character that no font has (DOMAIN section 5)."""

import hashlib

from zikao_tickets.domain.glyphs import SupplyGlyph
from zikao_tickets.domain.office_acts import Effect, Order
from zikao_tickets.stores.glyphs import GlyphStore


async def supply_glyph(store: GlyphStore, order: Order) -> Effect:
    """Draw it from now on, and look again at the names that have waited for it."""
    act = order.proposal.act
    assert isinstance(act, SupplyGlyph)
    await store.lock_pictures()
    before = await store.sha256(act.character)
    if not order.dry_run:
        await store.supply(act, order.officer, order.now)
        await store.recheck(character=act.character)
    return Effect(
        before=_told(act, before),
        after=_told(act, hashlib.sha256(act.png).digest()),
    )


def _told(act: SupplyGlyph, png_sha256: bytes | None) -> dict[str, str]:
    return {
        "character": f"U+{ord(act.character):04X}",
        "png_sha256": png_sha256.hex() if png_sha256 else "",
    }
