"""Acts of offices in an area, page by page."""

from collections.abc import Sequence
from datetime import datetime

from zikao_tickets.domain.office_acts import ActionFilter, OfficeAction
from zikao_tickets.stores.office_actions import OfficeActionStore

DEFAULT_PAGE_SIZE = 20


async def list_actions(
    store: OfficeActionStore,
    wanted: ActionFilter,
    page_size: int,
    page_token: str,
    now: datetime,
) -> tuple[Sequence[OfficeAction], str]:
    """A page, the newest first, and the token of the next, empty after the last.

    The state looked for is that of now.
    """
    size = page_size or DEFAULT_PAGE_SIZE
    before = int(page_token) if page_token else None
    found = await store.list_page(wanted, now, before, size + 1)
    next_page_token = str(found[size - 1][0]) if len(found) > size else ""
    return [action for _, action in found[:size]], next_page_token
