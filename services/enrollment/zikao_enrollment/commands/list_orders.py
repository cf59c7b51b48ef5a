"""A candidate's orders, page by page."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem

from zikao_enrollment.domain.orders import Order
from zikao_enrollment.domain.refunds import Refund
from zikao_enrollment.store import Store

DEFAULT_PAGE_SIZE = 20


@dataclass(frozen=True)
class OrderPage:
    """Orders with their refunds, and where the next page begins (empty after the last)."""

    orders: Sequence[tuple[Order, Sequence[Refund]]]
    next_page_token: str


async def list_orders(
    store: Store, session_code: str, candidate_id: UUID, page_size: int, page_token: str
) -> OrderPage:
    """The newest first; raises DomainError INVALID_REQUEST for a token that is none."""
    size = page_size or DEFAULT_PAGE_SIZE
    before = _read_token(page_token) if page_token else None
    found = await store.orders.list_page(session_code, candidate_id, before, size + 1)
    orders = found[:size]
    refunds = await store.money.list_refunds([order.order_id for order in orders])
    return OrderPage(
        orders=[(order, refunds.get(order.order_id, [])) for order in orders],
        next_page_token=_token_after(orders[-1]) if len(found) > size else "",
    )


def _token_after(order: Order) -> str:
    return urlsafe_b64encode(f"{order.created_at.isoformat()} {order.order_id}".encode()).decode()


def _read_token(token: str) -> tuple[datetime, UUID]:
    try:
        created_at, _, order_id = urlsafe_b64decode(token).decode().partition(" ")
        return datetime.fromisoformat(created_at).astimezone(UTC), UUID(order_id)
    except (ValueError, OverflowError):  # a time at the edge of the calendar overflows
        problem = FieldProblem("page_token", "翻页标记无效")
        raise DomainError(INVALID_REQUEST, fields=[problem]) from None
