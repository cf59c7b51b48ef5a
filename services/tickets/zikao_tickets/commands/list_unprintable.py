"""What an office must look after before everybody can print (DOMAIN section 5)."""

from collections.abc import Sequence

from zikao_tickets.domain.glyphs import UnprintableFilter, UnprintableTicket
from zikao_tickets.stores.glyphs import GlyphStore

DEFAULT_PAGE_SIZE = 20


async def list_unprintable(
    store: GlyphStore, wanted: UnprintableFilter, page_size: int, page_token: str
) -> tuple[Sequence[UnprintableTicket], str]:
    """By ticket number, and the next page's token, which is the last number; empty at the end."""
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(wanted, page_token, size + 1)
    page = found[:size]
    return page, page[-1].ticket_number if len(found) > size else ""
