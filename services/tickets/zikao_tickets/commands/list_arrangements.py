"""Arrangements of an area, page by page."""

from collections.abc import Sequence
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_tickets.domain.states import Arrangement, ArrangementFilter
from zikao_tickets.stores.arrangements import ArrangementStore

DEFAULT_PAGE_SIZE = 50


async def list_arrangements(
    store: ArrangementStore, wanted: ArrangementFilter, page_size: int, page_token: str
) -> tuple[Sequence[Arrangement], str]:
    """A page by county, the newest of a county first, and the token of the next, if any.

    Raises DomainError INVALID_REQUEST for a token that is none.
    """
    size = page_size or DEFAULT_PAGE_SIZE
    found = await store.list_page(wanted, _last(page_token), size + 1)
    if len(found) <= size:
        return found, ""
    last = found[size - 1]
    return found[:size], f"{last.county_code}:{last.arrangement_id}"


def _last(page_token: str) -> tuple[str, UUID] | None:
    if not page_token:
        return None
    county_code, _, arrangement_id = page_token.partition(":")
    try:
        return county_code, UUID(arrangement_id)
    except ValueError:
        problem = FieldProblem("page_token", "不是上一页给出的标记")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
