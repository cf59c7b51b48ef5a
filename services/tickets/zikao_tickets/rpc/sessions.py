"""Tickets' part of the session file."""

import asyncio
from typing import Any

from zikao.tickets.v1 import session_service_pb2, session_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_tickets.commands.apply_session import apply_session
from zikao_tickets.converts.sessions import session_from_pb
from zikao_tickets.converts.sites import sites_from_pb
from zikao_tickets.names import SCHEMA
from zikao_tickets.parts import Parts


class SessionRpc(session_service_pb2_grpc.SessionServiceServicer):
    """Tickets' part of the session file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ApplySession(
        self, request: session_service_pb2.ApplySessionRequest, context: Any
    ) -> session_service_pb2.ApplySessionResponse:
        """Make a session what the file says."""
        session, actor = session_from_pb(request.session), current_actor()
        # A province's rooms: not on the event loop.
        sites = await asyncio.to_thread(sites_from_pb, request.session.sites)
        unprintable = await self._parts.unprintable(session, sites)

        async def work(tx: Transaction) -> session_service_pb2.ApplySessionResponse:
            changes = await apply_session(
                self._parts.offices(tx),
                session,
                sites,
                course_codes=[course.code for course in request.session.courses],
                unprintable=unprintable,
                actor=actor,
                dry_run=request.dry_run,
                now=self._parts.clock.now(),
            )
            return session_service_pb2.ApplySessionResponse(changes=changes)

        response_type = session_service_pb2.ApplySessionResponse
        return await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)
