"""Arranging many counties at once."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from zikao.tickets.v1 import arrangement_operation_service_pb2 as pb
from zikao.tickets.v1 import arrangement_operation_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.cancel_arrangements import cancel_arrangements
from zikao_tickets.commands.export_arrangement import ExportedPart, export_part
from zikao_tickets.commands.find_arrangement import find_arrangement, find_operation
from zikao_tickets.commands.list_arrangements import list_arrangements
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.publish_arrangements import propose_publication
from zikao_tickets.commands.start_arrangement import start_arrangements
from zikao_tickets.converts.arrangements import (
    arrangement_filter_from_pb,
    arrangement_to_pb,
    look_to_pb,
)
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.domain.states import SEATED
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.proposals import propose_found
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.arranging import ArrangingStores
from zikao_tickets.stores.offices import office_audit
from zikao_tickets.stores.publishing import PublishingStore
from zikao_tickets.stores.sessions import SessionStore


class ArrangementOperationRpc(
    arrangement_operation_service_pb2_grpc.ArrangementOperationServiceServicer
):
    """Arranging many counties at once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartArrangements(
        self, request: pb.StartArrangementsRequest, context: Any
    ) -> pb.StartArrangementsResponse:
        """Start every county of an area."""

        async def work(tx: Transaction) -> pb.StartArrangementsResponse:
            started = await start_arrangements(
                self._parts.starting(tx, current_actor()),
                await load_session(SessionStore(tx), request.session_code),
                request.county_prefix,
                anew=request.anew,
                dry_run=request.dry_run,
            )
            return pb.StartArrangementsResponse(
                operation_id=str(started.operation_id or ""),
                county_codes=started.county_codes,
                in_progress=started.in_progress,
            )

        response_type = pb.StartArrangementsResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def WatchArrangements(
        self, request: pb.WatchArrangementsRequest, context: Any
    ) -> AsyncIterator[pb.WatchArrangementsResponse]:
        """All arrangements of an operation, then what changes."""
        operation_id = UUID(request.operation_id)
        async with self._parts.db.read() as tx:
            await find_operation(ArrangementStore(tx), operation_id, current_actor())
        async with aclosing(self._parts.operations.watch(operation_id)) as looks:
            async for look in looks:
                yield look_to_pb(look.arrangements, look.totals, full=look.full)

    async def CancelArrangements(
        self, request: pb.CancelArrangementsRequest, context: Any
    ) -> pb.CancelArrangementsResponse:
        """End what is not wanted any more."""
        operation, one = request.operation_id, request.arrangement_id

        async def work(tx: Transaction) -> pb.CancelArrangementsResponse:
            cancelled = await cancel_arrangements(
                ArrangementStore(tx),
                office_audit(tx),
                UUID(operation) if operation else None,
                UUID(one) if one else None,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return pb.CancelArrangementsResponse(**cancelled._asdict())

        response_type = pb.CancelArrangementsResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def PublishArrangements(
        self, request: pb.PublishArrangementsRequest, context: Any
    ) -> pb.PublishArrangementsResponse:
        """Publish what is done in an area, or propose it to a second officer."""
        area = (request.session_code, request.county_prefix)

        async def find(tx: Transaction) -> Proposal:
            await load_session(SessionStore(tx), request.session_code)
            store, above_bound = PublishingStore(tx), request.above_bound
            act = await propose_publication(store, *area, above_bound=above_bound)
            return Proposal(*area, act)

        answer_type, dry_run = pb.PublishArrangementsResponse, request.dry_run
        return await propose_found(self._parts, request, find, answer_type, dry_run=dry_run)

    async def ListArrangements(
        self, request: pb.ListArrangementsRequest, context: Any
    ) -> pb.ListArrangementsResponse:
        """Arrangements of an area, page by page."""
        wanted = arrangement_filter_from_pb(request)
        async with self._parts.db.read() as tx:
            found, next_page_token = await list_arrangements(
                ArrangementStore(tx), wanted, request.page_size, request.page_token
            )
        return pb.ListArrangementsResponse(
            arrangements=[
                arrangement_to_pb(each, self._parts.revealed_seed(each)) for each in found
            ],
            next_page_token=next_page_token,
        )

    async def ExportArrangement(
        self, request: pb.ExportArrangementRequest, context: Any
    ) -> AsyncIterator[pb.ExportArrangementResponse]:
        """What one needs to do the draw again, part by part."""
        cursor = request.cursor
        while True:
            part = await self._part(UUID(request.arrangement_id), cursor)
            cursor = str(part.done)
            yield pb.ExportArrangementResponse(
                lines=part.lines, cursor=cursor, seats_done=part.done, seats_total=part.total
            )
            if part.done == part.total:
                return

    async def _part(self, arrangement_id: UUID, cursor: str) -> ExportedPart:
        async with self._parts.db.read() as tx:
            stores = ArrangingStores.of(tx)
            found = await find_arrangement(stores.arrangements, arrangement_id, current_actor())
            found.require(*SEATED)
            seed = self._parts.revealed_seed(found)
            return await export_part(stores, found, seed, cursor)
