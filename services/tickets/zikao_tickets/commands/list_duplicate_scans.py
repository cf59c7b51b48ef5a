"""Who was scanned twice (DOMAIN section 5)."""

from collections.abc import Sequence

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_tickets.domain.scans import DuplicateScan
from zikao_tickets.stores.scans import DuplicateFilter, ScanStore

DEFAULT_PAGE_SIZE = 20
LAST_SLOT = 255


async def list_duplicate_scans(
    store: ScanStore, wanted: DuplicateFilter, page_size: int, page_token: str
) -> tuple[Sequence[DuplicateScan], str]:
    """By slot and ticket number, and the next page's token, empty after the last.

    Raises DomainError INVALID_REQUEST for a token that is none.
    """
    size = page_size or DEFAULT_PAGE_SIZE
    after = _read_token(page_token) if page_token else (0, "")
    found = await store.duplicates(wanted, after, size + 1)
    page = found[:size]
    more = len(found) > size
    return page, f"{page[-1].slot}-{page[-1].ticket_number}" if more else ""


def _read_token(token: str) -> tuple[int, str]:
    slot, _, number = token.partition("-")
    if not (slot.isascii() and slot.isdigit() and number.isascii() and number.isdigit()):
        raise DomainError(INVALID_REQUEST, fields=[FieldProblem("page_token", "翻页标记无效")])
    return min(int(slot), LAST_SLOT), number
