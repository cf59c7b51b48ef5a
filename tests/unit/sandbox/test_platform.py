"""The sandbox's payment platform: what it takes, closes and gives back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from support.clocks import FixedClock
from zikao_kit.errors import DomainError
from zikao_sandbox.payment_store import CLOSED, OPEN, PAID, Behaviour, Payment, PaymentStore
from zikao_sandbox.platform import PaymentPlatform

NOW = datetime(2022, 2, 28, 1, tzinfo=UTC)
PAY_BEFORE = NOW + timedelta(minutes=30)
ORDER = "2f1a7d5e-2f0c-4d86-9f54-5e4f1d6f0b11"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[PaymentStore]:
    """A ledger of its own."""
    store = PaymentStore(tmp_path / "platform.db")
    yield store
    store.close()


@pytest.fixture
def clock() -> FixedClock:
    """A clock the test moves."""
    return FixedClock(NOW)


@pytest.fixture
def platform(store: PaymentStore, clock: FixedClock) -> PaymentPlatform:
    """A platform that waits half of the greatest delay."""
    return PaymentPlatform(store, clock, lambda: 0.5)


def pay(
    platform: PaymentPlatform, amount_fen: int = 0, *, after_close: bool = False, request: str = ""
) -> Payment:
    """Pay the order as its candidate."""
    code = platform.create_order(ORDER, 7000, PAY_BEFORE).payment_code
    body = f"{code} {amount_fen}".encode()
    request_id = request or str(uuid4())
    return platform.pay_order(request_id, body, code, amount_fen, after_close=after_close)


def refused(error: pytest.ExceptionInfo[DomainError]) -> str:
    """Why it was refused."""
    return error.value.reason


def test_the_same_order_gets_the_same_code(platform: PaymentPlatform) -> None:
    """Opening an order again returns the first code, whatever is asked."""
    first = platform.create_order(ORDER, 7000, PAY_BEFORE)
    assert platform.create_order(ORDER, 1, PAY_BEFORE) == first
    assert platform.query_order(ORDER) == (first, [])


def test_a_paid_order_stays_paid(platform: PaymentPlatform) -> None:
    """Closing a paid order answers that it is paid, with the payment."""
    payment = pay(platform)
    assert payment.amount_fen == 7000
    order, payments = platform.close_order(ORDER)
    assert (order.state, payments) == (PAID, [payment])


def test_a_closed_order_is_paid_only_by_a_bank_under_way(platform: PaymentPlatform) -> None:
    """After closing, a payment is refused unless it is said to have been under way."""
    platform.create_order(ORDER, 7000, PAY_BEFORE)
    assert platform.close_order(ORDER)[0].state == CLOSED
    assert platform.close_order(ORDER)[0].state == CLOSED
    with pytest.raises(DomainError) as error:
        pay(platform)
    assert refused(error) == "PERMISSION_DENIED"
    pay(platform, after_close=True)
    assert platform.query_order(ORDER)[0].state == PAID


def test_no_money_is_taken_after_the_deadline(platform: PaymentPlatform, clock: FixedClock) -> None:
    """An open order past its deadline takes no payment, and stays open until closed."""
    platform.create_order(ORDER, 7000, PAY_BEFORE)
    clock.set(PAY_BEFORE)
    with pytest.raises(DomainError) as error:
        pay(platform)
    assert refused(error) == "PERMISSION_DENIED"
    assert platform.query_order(ORDER)[0].state == OPEN


def test_paying_twice_makes_two_payments(platform: PaymentPlatform) -> None:
    """A second payment is taken as real platforms do; a repeated request is not a second one."""
    first = pay(platform, request="r1")
    assert pay(platform, request="r1") == first
    second = pay(platform, amount_fen=1, request="r2")
    assert platform.query_order(ORDER)[1] == [first, second]
    with pytest.raises(DomainError) as error:
        pay(platform, amount_fen=2, request="r2")
    assert refused(error) == "REQUEST_ID_REUSED"


def test_refunds_give_back_no_more_than_was_paid(platform: PaymentPlatform) -> None:
    """Refunds of one payment together never exceed it; a repeated refund counts once."""
    payment = pay(platform)
    assert platform.refund_payment("f1", payment.payment_id, 5000) == NOW
    assert platform.refund_payment("f1", payment.payment_id, 5000) == NOW
    with pytest.raises(DomainError) as error:
        platform.refund_payment("f2", payment.payment_id, 2001)
    assert refused(error) == "INVALID_REQUEST"
    assert platform.refund_payment("f3", payment.payment_id, 2000) == NOW


def test_a_slow_refund_is_under_way_first(platform: PaymentPlatform, clock: FixedClock) -> None:
    """With a delay a refund is confirmed only when asked again later."""
    payment = pay(platform)
    platform.set_behaviour("b1", b"", Behaviour(max_delay_seconds=20.0))
    assert platform.refund_payment("f1", payment.payment_id, 7000) is None
    clock.advance(timedelta(seconds=10))
    assert platform.refund_payment("f1", payment.payment_id, 7000) == NOW + timedelta(seconds=10)


def test_unknown_things_are_not_found(platform: PaymentPlatform) -> None:
    """Orders, codes and payments that are not there are NOT_FOUND."""
    for ask in (
        lambda: platform.query_order(ORDER),
        lambda: platform.close_order(ORDER),
        lambda: platform.refund_payment("f1", "P1", 1),
        lambda: platform.pay_order("r1", b"", "0", 0, after_close=False),
    ):
        with pytest.raises(DomainError) as error:
            ask()
        assert refused(error) == "NOT_FOUND"


def test_notifications_are_owed_as_often_and_as_late_as_set(
    platform: PaymentPlatform, store: PaymentStore
) -> None:
    """Copies and delay of the behaviour decide what is owed for the next payment."""
    platform.set_behaviour("b1", b"", Behaviour(max_delay_seconds=100.0, copies=3))
    payment = pay(platform)
    now = time.time()
    assert store.due_notifications(now + 40, 10, reorder=False) == []
    due = store.due_notifications(now + 60, 10, reorder=False)
    assert [notification.payment for notification in due] == [payment] * 3


def test_what_is_kept_outlives_the_process(tmp_path: Path, clock: FixedClock) -> None:
    """Another process on the same file finds orders, payments, owed words and the behaviour."""
    first = PaymentStore(tmp_path / "kept.db")
    platform = PaymentPlatform(first, clock, lambda: 0.0)
    platform.set_behaviour("b1", b"", Behaviour(copies=2, reorder=True))
    payment = pay(platform)
    second = PaymentStore(tmp_path / "kept.db")
    assert PaymentPlatform(second, clock, lambda: 0.0).query_order(ORDER)[1] == [payment]
    assert second.behaviour() == Behaviour(copies=2, reorder=True)
    due = second.due_notifications(time.time(), 10, reorder=True)
    assert [notification.payment for notification in due] == [payment] * 2
    first.close()
    second.close()
