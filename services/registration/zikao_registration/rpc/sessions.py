"""What the operator does."""

from typing import Any

from zikao.registration.v1 import session_service_pb2, session_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.apply_session import apply_session
from zikao_registration.converts.registrations import session_from_pb
from zikao_registration.parts import Parts


class SessionRpc(session_service_pb2_grpc.SessionServiceServicer):
    """Registration's part of the session file."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ApplySession(
        self, request: session_service_pb2.ApplySessionRequest, context: Any
    ) -> session_service_pb2.ApplySessionResponse:
        """Make a session what the file says."""

        async def work(tx: Transaction) -> session_service_pb2.ApplySessionResponse:
            changes = await apply_session(
                self._parts.store(tx),
                session_from_pb(request.session),
                dry_run=request.dry_run,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return session_service_pb2.ApplySessionResponse(changes=changes)

        response_type = session_service_pb2.ApplySessionResponse
        return await self._parts.run_once(request, response_type, work)
