"""Records of older candidates at the office."""

from typing import Any

from zikao.registration.v1 import older_record_service_pb2 as pb
from zikao.registration.v1 import older_record_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.complete_older_record import Completion, complete_older_record
from zikao_registration.commands.lift_activation_limit import lift_activation_limit
from zikao_registration.commands.list_held_numbers import list_older_records
from zikao_registration.commands.view_older_record import view_older_record
from zikao_registration.converts.older import filter_from_pb, masked_record_to_pb, record_to_pb
from zikao_registration.converts.recoveries import document_from_pb
from zikao_registration.domain.older_records import read_photo
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts
from zikao_registration.stores.recovery_desk import RecoveryDesk

DEFAULT_PAGE_SIZE = 20


class OlderRecordRpc(older_record_service_pb2_grpc.OlderRecordServiceServicer):
    """Found, looked at, completed, let through."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def ListOlderRecords(
        self, request: pb.ListOlderRecordsRequest, context: Any
    ) -> pb.ListOlderRecordsResponse:
        """Records that wait for something."""
        tokens, size = PageTokens(self._parts.keys, request), request.page_size or DEFAULT_PAGE_SIZE
        (after,) = tokens.read() or ("",)
        filter_by, actor = filter_from_pb(request.filter), current_actor()
        async with self._parts.db.read() as tx:
            store, older = self._parts.store(tx), self._parts.older(tx)
            found = await list_older_records(
                store,
                older,
                request.county_code,
                filter_by,
                after=after,
                limit=size,
                actor=actor,
            )
        last = found[-1].stored.ticket_number if len(found) == size else ""
        return pb.ListOlderRecordsResponse(
            records=map(masked_record_to_pb, found),
            next_page_token=tokens.make([last]) if last else "",
        )

    async def GetOlderRecord(
        self, request: pb.GetOlderRecordRequest, context: Any
    ) -> pb.GetOlderRecordResponse:
        """A record in full."""
        async with self._parts.db.transaction() as tx:
            store, older = self._parts.store(tx), self._parts.older(tx)
            actor, now = current_actor(), self._parts.clock.now()
            held, photo = await view_older_record(
                store, older, request.ticket_number, actor=actor, now=now
            )
        return pb.GetOlderRecordResponse(record=record_to_pb(held), photo_jpeg=photo)

    async def CompleteOlderRecord(
        self, request: pb.CompleteOlderRecordRequest, context: Any
    ) -> pb.CompleteOlderRecordResponse:
        """Fill in what is missing."""
        now = self._parts.clock.now()
        completion = Completion(
            document=document_from_pb(request, now.date()) if request.document_number else None,
            mobile=request.mobile,
            photo=read_photo(request.photo_jpeg) if request.photo_jpeg else None,
            same_person=request.same_person,
        )

        async def work(tx: Transaction) -> pb.CompleteOlderRecordResponse:
            held = await complete_older_record(
                self._parts.accounts(tx),
                self._parts.store(tx),
                self._parts.older(tx),
                request.ticket_number,
                completion,
                actor=current_actor(),
                now=now,
            )
            return pb.CompleteOlderRecordResponse(record=record_to_pb(held))

        return await self._parts.run_once(request, pb.CompleteOlderRecordResponse, work)

    async def LiftActivationLimit(
        self, request: pb.LiftActivationLimitRequest, context: Any
    ) -> pb.LiftActivationLimitResponse:
        """Let the owner try again."""

        async def work(tx: Transaction) -> pb.LiftActivationLimitResponse:
            stores, now = RecoveryDesk.of(tx, self._parts.keys), self._parts.clock.now()
            number = request.ticket_number
            await lift_activation_limit(stores, number, actor=current_actor(), now=now)
            return pb.LiftActivationLimitResponse()

        return await self._parts.run_once(request, pb.LiftActivationLimitResponse, work)
