"""Gives money back: the platform is asked until it confirms (DOMAIN section 4)."""

import asyncio
from datetime import timedelta

import structlog
from zikao_kit.clock import Clock
from zikao_kit.db import Database
from zikao_kit.errors import INVALID_REQUEST, NOT_FOUND, REQUEST_ID_REUSED, DomainError

from zikao_enrollment.clients import PlatformClient
from zikao_enrollment.commands.move_refunds import accept_refund, make_refunds, refuse_refund
from zikao_enrollment.domain.money import RefundOwed
from zikao_enrollment.stores.money import MoneyStore

REFUNDS_PER_ROUND = 20
FIRST_PAUSE = timedelta(seconds=1)
LONGEST_PAUSE = timedelta(minutes=5)
# What the platform goes on refusing it will mostly refuse until people have seen to it.
LONGEST_REFUSED_PAUSE = timedelta(hours=1)

# What the contract lets the platform answer to a refund that it will not make.
REFUSALS = frozenset({NOT_FOUND, REQUEST_ID_REUSED, INVALID_REQUEST})

log = structlog.get_logger()


class RefundWorker:
    """Several processes may do so at once: each refund is leased to one until it is asked again."""

    def __init__(self, db: Database, clock: Clock, platform: PlatformClient) -> None:
        self._db = db
        self._clock = clock
        self._platform = platform

    async def work(self) -> bool:
        """Ask for what is due; True while there is more."""
        async with self._db.transaction() as tx:
            money = MoneyStore(tx)
            owed = await money.lease_refunds(
                FIRST_PAUSE, LONGEST_PAUSE, LONGEST_REFUSED_PAUSE, REFUNDS_PER_ROUND
            )
        await asyncio.gather(*(self._ask(each) for each in owed))
        return len(owed) == REFUNDS_PER_ROUND

    async def _ask(self, owed: RefundOwed) -> None:
        try:
            refunded_at = await self._platform.refund(
                owed.refund_id, owed.payment_id, owed.amount_fen
            )
            now = self._clock.now()
            async with self._db.transaction() as tx:
                if refunded_at is None:
                    await accept_refund(MoneyStore(tx), owed, now)
                else:
                    await make_refunds(MoneyStore(tx), {owed.refund_id: refunded_at}, now)
        except DomainError as error:
            log.warning("refund not made yet", refund_id=str(owed.refund_id), reason=error.reason)
            if error.reason in REFUSALS:
                # It stays owed, and is asked for still: people see to it.
                now = self._clock.now()
                async with self._db.transaction() as tx:
                    await refuse_refund(MoneyStore(tx), owed, error.reason, now)
        except Exception:
            # One answer that cannot be read must not hold up the money of all others.
            log.exception("refund cannot be made", refund_id=str(owed.refund_id))
