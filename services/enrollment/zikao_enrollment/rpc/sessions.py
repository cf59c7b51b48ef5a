"""Enrollment's part of the session file."""

from __future__ import annotations

from typing import Any

from zikao.enrollment.v1 import session_service_pb2, session_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction
from zikao_kit.idempotency import run_once

from zikao_enrollment.commands.apply_session import apply_audited
from zikao_enrollment.converts.sessions import session_from_pb
from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts
from zikao_enrollment.store import OfficeStore


class SessionRpc(session_service_pb2_grpc.SessionServiceServicer):
    """Enrollment's part of the session file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ApplySession(
        self, request: session_service_pb2.ApplySessionRequest, context: Any
    ) -> session_service_pb2.ApplySessionResponse:
        """Make a session what the file says."""
        response_type, actor = session_service_pb2.ApplySessionResponse, current_actor()

        async def work(tx: Transaction) -> session_service_pb2.ApplySessionResponse:
            session, now = session_from_pb(request.session), self._parts.clock.now()
            changes = await apply_audited(
                OfficeStore(tx), session, actor=actor, dry_run=request.dry_run, now=now
            )
            return response_type(changes=changes)

        answer = await run_once(self._parts.db, request, response_type, work, schema=SCHEMA)
        await self._parts.boards.refresh()
        return answer
