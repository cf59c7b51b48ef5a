"""What auditors ask."""

from __future__ import annotations

from typing import Any

from zikao.tickets.v1 import office_audit_service_pb2, office_audit_service_pb2_grpc
from zikao_kit.context import current_actor

from zikao_tickets.commands.list_office_audit import list_office_audit
from zikao_tickets.converts.offices import audit_entry_to_pb, audit_filter_from_pb
from zikao_tickets.parts import Parts
from zikao_tickets.stores.office_audit import OfficeAuditStore


class OfficeAuditRpc(office_audit_service_pb2_grpc.OfficeAuditServiceServicer):
    """What offices did."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListOfficeAuditEntries(
        self, request: office_audit_service_pb2.ListOfficeAuditEntriesRequest, context: Any
    ) -> office_audit_service_pb2.ListOfficeAuditEntriesResponse:
        """A page of entries, the newest first."""
        async with self._parts.db.read() as tx:
            entries, next_page_token = await list_office_audit(
                OfficeAuditStore(tx),
                audit_filter_from_pb(request),
                request.page_size,
                request.page_token,
                actor=current_actor(),
            )
        return office_audit_service_pb2.ListOfficeAuditEntriesResponse(
            entries=map(audit_entry_to_pb, entries), next_page_token=next_page_token
        )
