"""From a candidate's wish to pay to the code: stored before the platform hears of it, and after."""

from datetime import timedelta
from uuid import UUID, uuid4

from zikao.enrollment.v1 import enrollment_service_pb2 as pb
from zikao_kit.clock import Clock
from zikao_kit.convert import time_to_pb
from zikao_kit.db import Database, Transaction
from zikao_kit.idempotency import key_of, recall, run_once
from zikao_kit.serialized import answered

from zikao_enrollment.commands.create_payment import begin_payment, finish_payment
from zikao_enrollment.domain.money import PaymentOrder
from zikao_enrollment.money.payment_gate import PaymentGate
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.store import Store


class Payments:
    """Nothing is locked while the platform works; it is asked about what it has not told us of.

    That begins `first_query` after the payment was opened.
    """

    def __init__(
        self, db: Database, clock: Clock, gate: PaymentGate, first_query: timedelta
    ) -> None:
        self._db = db
        self._clock = clock
        self._gate = gate
        self._first_query = first_query

    async def open(
        self, request: pb.CreatePaymentRequest, candidate_id: UUID
    ) -> pb.CreatePaymentResponse:
        """Open a payment of the order, or give the code of the one that is open.

        Raises DomainError as `begin_payment` and `finish_payment`, and REQUEST_ID_REUSED;
        OVERLOADED before anything is stored, UNAVAILABLE when the platform does not answer: the
        order is `paying` then, and the same request may come again.
        """
        attempt = PaymentOrder(uuid4(), UUID(request.order_id), 0)
        async with self._db.transaction() as tx:
            if (stored := await recall(tx, SCHEMA, key_of(request))) is not None:
                return answered(pb.CreatePaymentResponse, stored)
            order, opened = await begin_payment(
                Store(tx), attempt, candidate_id, self._clock.now(), self._first_query
            )
            if not opened.payment_code:  # the platform will not hear of it: it is not `paying` then
                self._gate.require_room(order.order_id)
        code = opened.payment_code or await self._gate.open_order(opened, order.held_until)

        async def finish(tx: Transaction) -> pb.CreatePaymentResponse:
            await finish_payment(Store(tx), opened, candidate_id, code, self._clock.now())
            return pb.CreatePaymentResponse(
                payment_code=code,
                amount_fen=opened.amount_fen,
                pay_before=time_to_pb(order.held_until),
            )

        return await run_once(self._db, request, pb.CreatePaymentResponse, finish, schema=SCHEMA)
