"""What auditors ask."""

from datetime import datetime
from typing import Any

from zikao.registration.v1 import audit_service_pb2, audit_service_pb2_grpc
from zikao_kit.context import current_actor

from zikao_registration.commands.list_audit_entries import list_audit_entries
from zikao_registration.converts.reviews import audit_entry_to_pb, audit_filter_from_pb
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts


class AuditRpc(audit_service_pb2_grpc.AuditServiceServicer):
    """The audit trail."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListAuditEntries(
        self, request: audit_service_pb2.ListAuditEntriesRequest, context: Any
    ) -> audit_service_pb2.ListAuditEntriesResponse:
        """A page of entries, the newest first."""
        tokens = PageTokens(self._parts.keys, request)
        wanted, token = audit_filter_from_pb(request), tokens.read()
        before = (datetime.fromisoformat(token[0]), int(token[1])) if token else None
        async with self._parts.db.transaction() as tx:
            entries, last = await list_audit_entries(
                self._parts.audits(tx),
                self._parts.store(tx),
                wanted,
                before,
                request.page_size,
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
        return audit_service_pb2.ListAuditEntriesResponse(
            entries=map(audit_entry_to_pb, entries),
            next_page_token=tokens.make([last.at.isoformat(), last.audit_id]) if last else "",
        )
