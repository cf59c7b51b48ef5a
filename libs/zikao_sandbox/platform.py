"""The rules of the sandbox's payment platform: orders, payments, closing, refunds."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar
from uuid import uuid4

from zikao_kit.clock import Clock
from zikao_kit.errors import (
    INVALID_REQUEST,
    NOT_FOUND,
    PERMISSION_DENIED,
    REQUEST_ID_REUSED,
    DomainError,
    FieldProblem,
)

from zikao_sandbox.payment_store import (
    CLOSED,
    OPEN,
    PAID,
    Behaviour,
    Payment,
    PaymentOrder,
    PaymentStore,
    Refund,
)

PAYMENT_CODE_DIGITS = 20

T = TypeVar("T")


class PaymentPlatform:
    """One method a call; each is one transaction. Raises DomainError."""

    def __init__(
        self, store: PaymentStore, clock: Clock, random_fraction: Callable[[], float]
    ) -> None:
        """`random_fraction` gives values of 0 up to 1: how much of the greatest delay to wait."""
        self._store = store
        self._clock = clock
        self._random_fraction = random_fraction

    def create_order(self, order_id: str, amount_fen: int, pay_before: datetime) -> PaymentOrder:
        """Open an order, or return the one that the id has already."""
        with self._store.transaction():
            known = self._store.order(order_id)
            if known is not None:
                return known
            order = PaymentOrder(order_id, _new_code(), amount_fen, pay_before, OPEN)
            self._store.insert_order(order)
            return order

    def query_order(self, order_id: str) -> tuple[PaymentOrder, list[Payment]]:
        """The order and its payments. NOT_FOUND."""
        order = _found(self._store.order(order_id))
        return order, self._store.payments_of(order_id)

    def close_order(self, order_id: str) -> tuple[PaymentOrder, list[Payment]]:
        """Close an order unless it is paid; the order afterwards. NOT_FOUND."""
        with self._store.transaction():
            if _found(self._store.order(order_id)).state == OPEN:
                self._store.set_order_state(order_id, CLOSED)
            return self.query_order(order_id)

    def refund_payment(self, refund_id: str, payment_id: str, amount_fen: int) -> datetime | None:
        """When the money went back, None while that is under way.

        NOT_FOUND; REQUEST_ID_REUSED for another refund under the same id; INVALID_REQUEST for
        more than was paid.
        """
        now = self._clock.now()
        with self._store.transaction():
            refund = self._store.refund(refund_id) or self._begin_refund(
                refund_id, payment_id, amount_fen, now
            )
        if (refund.payment_id, refund.amount_fen) != (payment_id, amount_fen):
            raise DomainError(REQUEST_ID_REUSED)
        return refund.refunded_at if refund.refunded_at <= now else None

    def pay_order(
        self, request_id: str, body: bytes, payment_code: str, amount_fen: int, *, after_close: bool
    ) -> Payment:
        """Pay as a candidate does. NOT_FOUND, PERMISSION_DENIED, REQUEST_ID_REUSED."""
        with self._store.transaction():
            earlier = self._recall(request_id, body)
            if earlier is not None:
                return _found(self._store.payment(earlier))
            order = _found(self._store.order_by_code(payment_code))
            now = self._clock.now()
            closed = order.state == CLOSED or (order.state == OPEN and order.pay_before <= now)
            if closed and not after_close:
                raise DomainError(PERMISSION_DENIED)
            amount_fen = amount_fen or order.amount_fen
            payment = Payment(f"P{uuid4().hex}", order.order_id, amount_fen, now)
            self._store.insert_payment(payment)
            self._store.set_order_state(order.order_id, PAID)
            self._owe_notifications(payment)
            self._store.insert_answered(request_id, body, payment.payment_id)
            return payment

    def set_behaviour(self, request_id: str, body: bytes, behaviour: Behaviour) -> int:
        """Behave so from now on; how much was spoilt until now. REQUEST_ID_REUSED."""
        with self._store.transaction():
            if self._store.answered(request_id) is not None:
                self._recall(request_id, body)
                return self._store.spoilt
            self._store.set_behaviour(behaviour)
            self._store.insert_answered(request_id, body, None)
        spoilt, self._store.spoilt = self._store.spoilt, 0
        return spoilt

    def plant_payment(self, request_id: str, body: bytes, payment: Payment) -> None:
        """Take money that nobody is told of. REQUEST_ID_REUSED also for a payment that is there."""
        with self._store.transaction():
            if self._recall(request_id, body) is not None:
                return
            if self._store.payment(payment.payment_id) is not None:
                raise DomainError(REQUEST_ID_REUSED)
            if self._store.order(payment.order_id) is None:
                code = _new_code()
                order = PaymentOrder(
                    payment.order_id, code, payment.amount_fen, payment.paid_at, PAID
                )
                self._store.insert_order(order)
            self._store.insert_payment(payment)
            self._store.set_order_state(payment.order_id, PAID)
            self._store.insert_answered(request_id, body, payment.payment_id)

    def falsify_statement(
        self, request_id: str, body: bytes, subject_id: str, amount_fen: int
    ) -> None:
        """Let statements say something else, with 0 nothing, of money. REQUEST_ID_REUSED."""
        with self._store.transaction():
            if self._store.answered(request_id) is not None:
                self._recall(request_id, body)
                return
            self._store.falsify(subject_id, amount_fen)
            self._store.insert_answered(request_id, body, None)

    def _begin_refund(
        self, refund_id: str, payment_id: str, amount_fen: int, now: datetime
    ) -> Refund:
        payment = _found(self._store.payment(payment_id))
        if self._store.refunded_fen(payment_id) + amount_fen > payment.amount_fen:
            raise DomainError(
                INVALID_REQUEST, fields=[FieldProblem("amount_fen", "退款总额超过已缴金额")]
            )
        delay = timedelta(seconds=self._random_delay_seconds(self._store.behaviour()))
        refund = Refund(refund_id, payment_id, amount_fen, now + delay)
        self._store.insert_refund(refund)
        return refund

    def _recall(self, request_id: str, body: bytes) -> str | None:
        answered = self._store.answered(request_id)
        if answered is not None and answered[0] != body:
            raise DomainError(REQUEST_ID_REUSED)
        return answered[1] if answered else None

    def _owe_notifications(self, payment: Payment) -> None:
        """By the machine's clock: a rehearsal that moves the time delays no network."""
        behaviour = self._store.behaviour()
        self._store.spoilt += behaviour.is_bad_at_telling
        earliest = 0.0 if behaviour.reorder else self._store.last_due_at()
        for _ in range(behaviour.copies):
            due_at = time.time() + self._random_delay_seconds(behaviour)
            self._store.insert_notification(payment.payment_id, max(earliest, due_at))

    def _random_delay_seconds(self, behaviour: Behaviour) -> float:
        return behaviour.max_delay_seconds * self._random_fraction()


def _new_code() -> str:
    return f"{secrets.randbelow(10**PAYMENT_CODE_DIGITS):0{PAYMENT_CODE_DIGITS}}"


def _found(value: T | None) -> T:
    if value is None:
        raise DomainError(NOT_FOUND)
    return value
