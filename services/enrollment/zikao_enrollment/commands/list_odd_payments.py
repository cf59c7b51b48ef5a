"""Payments with which something is wrong, page by page; the token of a page is where it begins."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.differences import Area
from zikao_enrollment.domain.money import OddPayment, OddPaymentFilter
from zikao_enrollment.stores.odd_payments import OddPaymentStore

DEFAULT_PAGE_SIZE = 50


async def list_odd_payments(
    store: OddPaymentStore, area: Area, wanted: OddPaymentFilter, page_size: int, page_token: str
) -> tuple[Sequence[OddPayment], str]:
    """The last that came first, and the next page's token, empty after the last.

    Raises DomainError INVALID_REQUEST for a token that is none.
    """
    size = page_size or DEFAULT_PAGE_SIZE
    before = _read_token(page_token) if page_token else None
    found = await store.list_page(area, wanted, before, size + 1)
    page = found[:size]
    return page, _token_after(page[-1]) if len(found) > size else ""


def _token_after(payment: OddPayment) -> str:
    place = f"{payment.received_at.isoformat()} {payment.payment_id}"
    return urlsafe_b64encode(place.encode()).decode()


def _read_token(token: str) -> tuple[datetime, str]:
    try:
        received_at, _, payment_id = urlsafe_b64decode(token).decode().partition(" ")
        # A NUL is in no id of a payment, and no text for the database.
        return datetime.fromisoformat(received_at).astimezone(UTC), payment_id.replace("\0", "")
    except (ValueError, OverflowError):  # a time at the edge of the calendar overflows
        problem = FieldProblem("page_token", "翻页标记无效")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
