"""Publishes what was approved, county by county; several processes may do so at once."""

import structlog
from zikao.tickets.v1 import errors_pb2
from zikao_kit.clock import Clock
from zikao_kit.context import acting_as, current_request_id
from zikao_kit.db import Database, DatabaseUnavailable
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import DomainError
from zikao_kit.metrics import BACKGROUND_FAILURES
from zikao_kit.tokens import SERVICE_ROLE, Actor

from zikao_tickets.commands.publish_arrangements import publish_approved
from zikao_tickets.names import SCHEMA
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.publishing import Approved, PublishingStore

WORK = "publication"
MAX_ATTEMPTS = 5
_SENTENCES = ErrorTable.from_enums(errors_pb2.ErrorReason.DESCRIPTOR)

log = structlog.get_logger()


class PublicationWorker:
    """What cannot be published after all is done again and says why: approved for nothing.

    So is what has lost the database MAX_ATTEMPTS times; meanwhile the other counties come first.
    """

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def work(self) -> bool:
        """Publish one arrangement; False when none is approved."""
        async with self._db.transaction() as tx:
            taken = await PublishingStore(tx).take_approved()
        if taken is None:
            return False
        with acting_as(Actor(subject=SCHEMA, role=SERVICE_ROLE, caller=SCHEMA)):
            if taken.attempt > MAX_ATTEMPTS:
                log.error("publication given up", work=WORK, **_names(taken))
                why = f"发布多次中断，请联系技术人员（编号{taken.arrangement_id}）"
                await self._refuse(taken, why)
            else:
                await self._publish(taken)
        return True

    async def _publish(self, taken: Approved) -> None:
        """Publish it, or say why not; raises DatabaseUnavailable."""
        try:
            async with self._db.transaction() as tx:
                stores = ArrangingStores.of(tx)
                if await stores.publishing.lock_approved(taken.arrangement_id):
                    now = self._clock.now()
                    await publish_approved(
                        stores, taken.arrangement_id, officer=taken.officer, now=now
                    )
        except DatabaseUnavailable:
            raise
        except DomainError as error:
            await self._refuse(taken, _SENTENCES.sentence(error, current_request_id()))
        except Exception:
            log.exception("publication failed", work=WORK, **_names(taken))
            BACKGROUND_FAILURES.labels(WORK).inc()
            why = f"发布程序出错，请联系技术人员（编号{current_request_id()}）"
            await self._refuse(taken, why)

    async def _refuse(self, taken: Approved, why: str) -> None:
        async with self._db.transaction() as tx:
            await PublishingStore(tx).refuse(taken.arrangement_id, why)


def _names(taken: Approved) -> dict[str, str]:
    return {"arrangement_id": str(taken.arrangement_id)}
