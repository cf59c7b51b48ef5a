"""An office supplies a picture of a character that no font has (DOMAIN section 5)."""

import hashlib

from zikao_kit.errors import DomainError

from zikao_tickets.domain.glyphs import MAX_GLYPHS, SuppliedGlyph, SupplyGlyph
from zikao_tickets.domain.office_acts import Effect, Order, Proposal
from zikao_tickets.stores.glyphs import GlyphStore


async def supply_glyph(store: GlyphStore, order: Order) -> Effect:
    """Draw it from now on, and look again at the names that have waited for it.

    Raises DomainError GLYPH_NOT_WANTED for a character that no name on the list of the office has
    (and whose picture is not this office's, to be put right), and TOO_MANY_GLYPHS.
    """
    act = order.proposal.act
    assert isinstance(act, SupplyGlyph)
    await store.lock_pictures()
    before = await store.supplied(act.character)
    await _require_wanted(store, order.proposal, act.character, before)
    if before is None and await store.count() >= MAX_GLYPHS:
        raise DomainError("TOO_MANY_GLYPHS", limit=MAX_GLYPHS)
    if not order.dry_run:
        await store.supply(order, act)
        await store.recheck(character=act.character)
    return Effect(
        before=_told(act, before.png_sha256 if before else None),
        after=_told(act, hashlib.sha256(act.png).digest()),
    )


async def _require_wanted(
    store: GlyphStore, proposal: Proposal, character: str, before: SuppliedGlyph | None
) -> None:
    office = proposal.county_prefix
    if before is not None and before.is_of(office):
        return
    if not await store.is_wanted(proposal.session_code, office, character):
        raise DomainError("GLYPH_NOT_WANTED", character=character)


def _told(act: SupplyGlyph, png_sha256: bytes | None) -> dict[str, str]:
    return {
        "character": f"U+{ord(act.character):04X}",
        "png_sha256": png_sha256.hex() if png_sha256 else "",
    }
