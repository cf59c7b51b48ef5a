"""Portals submit for many candidates over one stream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from zikao.enrollment.v1 import errors_pb2, portal_service_pb2, portal_service_pb2_grpc
from zikao_kit.error_table import ErrorTable

from zikao_enrollment.parts import Parts
from zikao_enrollment.rpc.exchange import Exchange


class PortalRpc(portal_service_pb2_grpc.PortalServiceServicer):
    """Portals submit for many candidates over one stream."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._errors = ErrorTable.from_enums(errors_pb2.ErrorReason.DESCRIPTOR)

    async def SubmitEnrollments(
        self,
        request_iterator: AsyncIterator[portal_service_pb2.SubmitEnrollmentsRequest],
        context: Any,
    ) -> AsyncIterator[portal_service_pb2.SubmitEnrollmentsResponse]:
        """Take seats for many candidates."""
        exchange = Exchange(self._parts, self._errors)
        async with aclosing(exchange.answers_to(request_iterator)) as answers:
            async for answer in answers:
                yield answer
