"""Tokens of the pages of orders: only what was given out is taken back."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zikao_enrollment.commands.list_orders import _read_token, _token_after
from zikao_enrollment.domain.order_states import OrderState
from zikao_enrollment.domain.orders import Order, Terms
from zikao_kit.errors import DomainError


def order(created_at: datetime, order_id: UUID) -> Order:
    """An order made at a time."""
    terms = Terms("22.1", "510104", (), OrderState.HELD, 3500, created_at, created_at)
    return Order(order_id, uuid4(), terms)


@given(st.datetimes(timezones=st.just(UTC)), st.uuids())
def test_a_token_says_after_which_order(created_at: datetime, order_id: UUID) -> None:
    """Time (to the microsecond) and id come back as they were."""
    assert _read_token(_token_after(order(created_at, order_id))) == (created_at, order_id)


def encoded(text: str) -> str:
    """A text as a token would carry it."""
    return urlsafe_b64encode(text.encode()).decode()


@given(st.one_of(st.text(max_size=200), st.text(max_size=100).map(encoded)))
@example(encoded("0001-01-01T00:00:00+14:00 00000000-0000-0000-0000-000000000000"))
@example(encoded("9999-12-31T23:59:59-14:00 00000000-0000-0000-0000-000000000000"))
@example(encoded("2022-02-28T01:00:00+00:00 nobody"))
@example("考")
@example("a")
def test_garbage_is_an_invalid_request(token: str) -> None:
    """Whatever a caller makes up is INVALID_REQUEST and nothing else."""
    with pytest.raises(DomainError) as refused:
        _read_token(token)
    assert refused.value.reason == "INVALID_REQUEST"
    assert [problem.field for problem in refused.value.fields] == ["page_token"]
