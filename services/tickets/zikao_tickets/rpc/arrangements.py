"""Giving every enrolled sitting a site, room and seat."""

from typing import Any
from uuid import UUID

from zikao.tickets.v1 import arrangement_service_pb2, arrangement_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.find_arrangement import find_arrangement
from zikao_tickets.commands.list_draws import list_draws
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.start_arrangement import start_arrangement
from zikao_tickets.converts.arrangements import arrangement_to_pb, draw_to_pb
from zikao_tickets.domain.office_acts import Proposal
from zikao_tickets.domain.publication import PublishArrangements
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts
from zikao_tickets.rpc.proposals import propose_found
from zikao_tickets.stores.arrangements import ArrangementStore
from zikao_tickets.stores.publishing import PublishingStore
from zikao_tickets.stores.sessions import SessionStore


class ArrangementRpc(arrangement_service_pb2_grpc.ArrangementServiceServicer):
    """Giving every enrolled sitting a site, room and seat."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def StartArrangement(
        self, request: arrangement_service_pb2.StartArrangementRequest, context: Any
    ) -> arrangement_service_pb2.StartArrangementResponse:
        """Start the arrangement of one county."""

        async def work(tx: Transaction) -> arrangement_service_pb2.StartArrangementResponse:
            session = await load_session(SessionStore(tx), request.session_code)
            started = await start_arrangement(
                self._parts.starting(tx, current_actor()),
                session,
                request.county_code,
                anew=request.anew,
            )
            return arrangement_service_pb2.StartArrangementResponse(
                arrangement=arrangement_to_pb(started)
            )

        response_type = arrangement_service_pb2.StartArrangementResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)

    async def GetArrangement(
        self, request: arrangement_service_pb2.GetArrangementRequest, context: Any
    ) -> arrangement_service_pb2.GetArrangementResponse:
        """An arrangement and its progress."""
        async with self._parts.db.read() as tx:
            found = await find_arrangement(
                ArrangementStore(tx), UUID(request.arrangement_id), current_actor()
            )
        return arrangement_service_pb2.GetArrangementResponse(
            arrangement=arrangement_to_pb(found, self._parts.revealed_seed(found))
        )

    async def PublishArrangement(
        self, request: arrangement_service_pb2.PublishArrangementRequest, context: Any
    ) -> arrangement_service_pb2.PublishArrangementResponse:
        """Check, publish, make the tickets and reveal the seed, or propose that."""
        arrangement_id, actor = UUID(request.arrangement_id), current_actor()

        async def find(tx: Transaction) -> Proposal:
            found = await find_arrangement(ArrangementStore(tx), arrangement_id, actor)
            proposed = await PublishingStore(tx).described([arrangement_id])
            act = PublishArrangements(tuple(proposed), request.above_bound)
            return Proposal(found.session_code, found.county_code, act)

        response_type = arrangement_service_pb2.PublishArrangementResponse
        answer = await propose_found(self._parts, request, find, response_type)
        async with self._parts.db.read() as tx:
            now = await find_arrangement(ArrangementStore(tx), arrangement_id, actor)
        seed = self._parts.revealed_seed(now)
        return response_type(arrangement=arrangement_to_pb(now, seed), action=answer.action)

    async def ListDraws(
        self, request: arrangement_service_pb2.ListDrawsRequest, context: Any
    ) -> arrangement_service_pb2.ListDrawsResponse:
        """What anybody may know of the draws of a county."""
        async with self._parts.db.read() as tx:
            await load_session(SessionStore(tx), request.session_code)
            found = await list_draws(
                ArrangementStore(tx), request.session_code, request.county_code, self._parts.keys
            )
        return arrangement_service_pb2.ListDrawsResponse(draws=map(draw_to_pb, found))
