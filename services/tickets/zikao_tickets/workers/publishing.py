"""Publishes what was approved, county by county; several processes may do so at once."""

from uuid import UUID

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

WORK = "publication"
_SENTENCES = ErrorTable.from_enums(errors_pb2.ErrorReason.DESCRIPTOR)

log = structlog.get_logger()


class PublicationWorker:
    """What cannot be published after all is done again and says why: approved for nothing."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def work(self) -> bool:
        """Publish one arrangement; False when none is approved."""
        taken: UUID | None = None
        with acting_as(Actor(subject=SCHEMA, role=SERVICE_ROLE, caller=SCHEMA)):
            try:
                async with self._db.transaction() as tx:
                    stores = ArrangingStores.of(tx)
                    approved = await stores.publishing.take_approved()
                    if approved is None:
                        return False
                    taken, officer = approved
                    now = self._clock.now()
                    await publish_approved(stores, taken, officer=officer, now=now)
            except DatabaseUnavailable:
                raise
            except Exception as error:
                if taken is None:
                    raise
                await self._refuse(taken, error)
        return True

    async def _refuse(self, arrangement_id: UUID, error: Exception) -> None:
        if isinstance(error, DomainError):
            why = _SENTENCES.sentence(error, current_request_id())
        else:
            log.exception("publication failed", work=WORK, arrangement_id=str(arrangement_id))
            BACKGROUND_FAILURES.labels(WORK).inc()
            why = f"发布程序出错，请联系技术人员（编号{current_request_id()}）"
        async with self._db.transaction() as tx:
            await ArrangingStores.of(tx).publishing.refuse(arrangement_id, why)
