"""What auditors ask."""

from __future__ import annotations

from typing import Any

from zikao.enrollment.v1 import office_audit_service_pb2, office_audit_service_pb2_grpc
from zikao_kit.office_messages import answer_office_audit

from zikao_enrollment.names import SCHEMA
from zikao_enrollment.parts import Parts


class OfficeAuditRpc(office_audit_service_pb2_grpc.OfficeAuditServiceServicer):
    """What offices did."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListOfficeAuditEntries(
        self, request: office_audit_service_pb2.ListOfficeAuditEntriesRequest, context: Any
    ) -> office_audit_service_pb2.ListOfficeAuditEntriesResponse:
        """A page of entries, the newest first."""
        response_type = office_audit_service_pb2.ListOfficeAuditEntriesResponse
        return await answer_office_audit(self._parts.db, SCHEMA, request, response_type)
