"""Statements and differences, page by page; the token of a page is where it begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.differences import Area, Difference, DifferenceFilter
from zikao_enrollment.domain.statements import StatementSummary
from zikao_enrollment.stores.differences import DifferenceStore
from zikao_enrollment.stores.statements import StatementStore

DEFAULT_STATEMENTS = 31
DEFAULT_DIFFERENCES = 50
_NONE = UUID(int=0)


async def list_statements(
    store: StatementStore, page_size: int, page_token: str
) -> tuple[Sequence[StatementSummary], str]:
    """The latest day first, and the next page's token, empty after the last.

    Raises DomainError INVALID_REQUEST for a token that is none.
    """
    size = page_size or DEFAULT_STATEMENTS
    before = _read_token(page_token)[0] if page_token else None
    found = await store.list_page(before, size + 1)
    page = found[:size]
    more = len(found) > size
    return page, _token(page[-1].statement.statement_date) if more else ""


async def list_differences(
    store: DifferenceStore, area: Area, wanted: DifferenceFilter, page_size: int, page_token: str
) -> tuple[Sequence[Difference], str]:
    """The latest day first, and the next page's token, empty after the last.

    Raises DomainError INVALID_REQUEST for a token that is none.
    """
    size = page_size or DEFAULT_DIFFERENCES
    after = _read_token(page_token) if page_token else None
    found = await store.list_page(area, wanted, after, size + 1)
    page = found[:size]
    more = len(found) > size
    return page, _token(page[-1].statement_date, page[-1].difference_id) if more else ""


def _token(day: date, difference_id: UUID = _NONE) -> str:
    return urlsafe_b64encode(f"{day.isoformat()} {difference_id}".encode()).decode()


def _read_token(token: str) -> tuple[date, UUID]:
    try:
        day, _, difference_id = urlsafe_b64decode(token).decode().partition(" ")
        return date.fromisoformat(day), UUID(difference_id)
    except ValueError:
        problem = FieldProblem("page_token", "翻页标记无效")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
