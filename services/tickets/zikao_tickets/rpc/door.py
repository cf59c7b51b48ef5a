"""What scanners without a network have seen, and who was seen twice."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from zikao.tickets.v1 import door_service_pb2 as pb
from zikao.tickets.v1 import door_service_pb2_grpc as pb_grpc
from zikao_kit.db import Transaction

from zikao_tickets.commands.list_duplicate_scans import list_duplicate_scans
from zikao_tickets.commands.load_session import load_session
from zikao_tickets.commands.record_scans import Recorded, judge, record_scans
from zikao_tickets.converts.scans import door_from_pb, duplicate_to_pb
from zikao_tickets.parts import Parts
from zikao_tickets.stores.scans import DuplicateFilter, ScanStore
from zikao_tickets.stores.sessions import SessionStore


class DoorRpc(pb_grpc.DoorServiceServicer):
    """What scanners without a network have seen, and who was seen twice."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def UploadScans(
        self, request_iterator: AsyncIterator[pb.UploadScansRequest], context: Any
    ) -> AsyncIterator[pb.UploadScansResponse]:
        """Take what comes, message by message."""
        async for request in request_iterator:
            yield await self._take(request)

    async def ListDuplicateScans(
        self, request: pb.ListDuplicateScansRequest, context: Any
    ) -> pb.ListDuplicateScansResponse:
        """Who was seen twice."""
        wanted = DuplicateFilter(request.session_code, request.county_prefix, request.slot or None)
        async with self._parts.db.read() as tx:
            await load_session(SessionStore(tx), request.session_code)
            found, token = await list_duplicate_scans(
                ScanStore(tx), wanted, request.page_size, request.page_token
            )
        return pb.ListDuplicateScansResponse(
            duplicates=map(duplicate_to_pb, found), next_page_token=token
        )

    async def _take(self, request: pb.UploadScansRequest) -> pb.UploadScansResponse:
        now = self._parts.clock.now()
        uploads = [(door_from_pb(each.scan), each.proof) for each in request.scans]
        keys = self._parts.signer.public_keys
        scans, rejected = await asyncio.to_thread(judge, uploads, keys)

        async def work(tx: Transaction) -> Recorded:
            return await record_scans(ScanStore(tx), SessionStore(tx), scans, now)

        recorded = await self._parts.db.run(work)
        return pb.UploadScansResponse(
            accepted=recorded.accepted,
            known=recorded.known,
            rejected=[
                pb.RejectedScan(scan_id=str(scan_id), reason=reason)
                for scan_id, reason in (*rejected, *recorded.rejected)
            ],
        )
