"""Takes word of payments: from the platform's notifications, and when it is asked or told to close.

What comes while others are being settled is settled together, as `desk` does with seats.
"""

import hashlib
from collections.abc import Sequence
from uuid import NAMESPACE_OID, uuid4, uuid5

import structlog
from zikao_kit.batch_desk import ATTEMPTS, Outdated
from zikao_kit.batcher import Batcher, BatchMetrics
from zikao_kit.clock import Clock
from zikao_kit.db import Database, DatabaseUnavailable, Transaction
from zikao_kit.errors import INTERNAL, REQUEST_ID_REUSED, DomainError
from zikao_kit.idempotency import RequestKey

from zikao_enrollment.commands.settle_payments import Word, settle_payments
from zikao_enrollment.domain.money import PAYMENT_CONTRADICTS, PLATFORM, Payment
from zikao_enrollment.store import Store
from zikao_enrollment.views.boards import Boards

SETTLEMENTS = BatchMetrics("enrollment_till", "payments")
# Small enough that the ledger rows are not held from those who want seats.
MAX_BATCH = 100
# A second one would wait for the same rows, and make both small.
IN_FLIGHT = 1
_SETTLED = b"settled"

log = structlog.get_logger()


class Till:
    """Settles payments; the same word twice does nothing."""

    def __init__(self, db: Database, clock: Clock, boards: Boards) -> None:
        self._db = db
        self._clock = clock
        self._boards = boards
        self._batcher: Batcher[Word] = Batcher(
            self.decide, SETTLEMENTS, max_batch=MAX_BATCH, in_flight=IN_FLIGHT
        )

    async def settle(self, payment: Payment) -> None:
        """Return once it is stored for good.

        Raises UNAVAILABLE when that is not sure, PAYMENT_CONTRADICTS for what people must clear up.
        """
        try:
            await self._batcher.submit(_key(payment), Word(payment, uuid4()))
        except DomainError as error:
            if error.reason not in (PAYMENT_CONTRADICTS, REQUEST_ID_REUSED):
                raise
            log.exception(
                "the platform contradicts what it said of a payment",
                payment_id=payment.payment_id,
                payment_order_id=str(payment.payment_order_id),
                amount_fen=payment.amount_fen,
            )
            raise DomainError(PAYMENT_CONTRADICTS, payment_id=payment.payment_id) from None

    async def decide(self, words: Sequence[Word]) -> Sequence[bytes | DomainError]:
        """The answers in the order of `words`; one that poisons a batch fails alone."""
        try:
            return await self._settle(words)
        except DatabaseUnavailable:
            raise
        except Exception:
            log.warning("payments are settled one by one", payments=len(words), exc_info=True)
        return [await self._settle_alone(word) for word in words]

    async def _settle_alone(self, word: Word) -> bytes | DomainError:
        try:
            (answer,) = await self._settle([word])
        except DomainError as error:
            return error
        except Exception:
            log.exception("a payment cannot be settled", payment_id=word.payment.payment_id)
            return DomainError(INTERNAL)
        return answer

    async def _settle(self, words: Sequence[Word]) -> Sequence[bytes | DomainError]:
        async def work(tx: Transaction) -> list[DomainError | None]:
            sessions = self._boards.current.sessions
            return await settle_payments(Store(tx), sessions, words, self._clock.now())

        for _ in range(ATTEMPTS):
            try:
                return [refusal or _SETTLED for refusal in await self._db.run(work)]
            except Outdated:
                await self._boards.refresh()
        raise DatabaseUnavailable


def _key(payment: Payment) -> RequestKey:
    """The same for the same word: what comes while it is being settled gets its answer."""
    body = repr((payment.payment_order_id, payment.amount_fen)).encode()
    payment_id = uuid5(NAMESPACE_OID, payment.payment_id)
    return RequestKey(PLATFORM, payment_id, "Payment", hashlib.sha256(body).digest())
