"""Study records: standings, transfers and what became of a number."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from zikao.registration.v1 import study_record_service_pb2, study_record_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.set_standing import (
    request_transfer,
    set_standing,
    withdraw_transfer,
)
from zikao_registration.commands.view_study_record import (
    view_own_study_record,
    view_study_record,
)
from zikao_registration.converts.study_records import (
    standing_from_pb,
    standing_to_pb,
    study_record_to_pb,
)
from zikao_registration.parts import Parts


class StudyRecordRpc(study_record_service_pb2_grpc.StudyRecordServiceServicer):
    """Who may enroll, and why not."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def GetStudyRecord(
        self, request: study_record_service_pb2.GetStudyRecordRequest, context: Any
    ) -> study_record_service_pb2.GetStudyRecordResponse:
        """The caller's record, outside of enrollment."""
        async with self._parts.db.read() as tx:
            store, records = self._parts.store(tx), self._parts.study_records(tx)
            now = self._parts.clock.now()
            record = await view_own_study_record(store, records, actor=current_actor(), now=now)
        return study_record_service_pb2.GetStudyRecordResponse(record=study_record_to_pb(record))

    async def GetStudyRecordForOffice(
        self, request: study_record_service_pb2.GetStudyRecordForOfficeRequest, context: Any
    ) -> study_record_service_pb2.GetStudyRecordForOfficeResponse:
        """A candidate's record, audited."""
        async with self._parts.db.transaction() as tx:
            store, records = self._parts.store(tx), self._parts.study_records(tx)
            who, now = await _who(request, records.find_by_any_number), self._parts.clock.now()
            record = await view_study_record(store, records, who, actor=current_actor(), now=now)
        return study_record_service_pb2.GetStudyRecordForOfficeResponse(
            record=study_record_to_pb(record)
        )

    async def SetStanding(
        self, request: study_record_service_pb2.SetStandingRequest, context: Any
    ) -> study_record_service_pb2.SetStandingResponse:
        """An office's decision about a study record."""

        async def work(tx: Transaction) -> study_record_service_pb2.SetStandingResponse:
            records = self._parts.study_records(tx)
            changed = await set_standing(
                self._parts.store(tx),
                records,
                await _who(request, records.find_by_current_number),
                standing_from_pb(request.standing),
                request.reason.strip(),
                actor=current_actor(),
                now=self._parts.clock.now(),
            )
            return study_record_service_pb2.SetStandingResponse(
                candidate_id=str(changed.candidate_id), standing=standing_to_pb(changed.standing)
            )

        response_type = study_record_service_pb2.SetStandingResponse
        return await self._parts.run_once(request, response_type, work)

    async def RequestTransfer(
        self, request: study_record_service_pb2.RequestTransferRequest, context: Any
    ) -> study_record_service_pb2.RequestTransferResponse:
        """A candidate wants to leave."""
        response_type = study_record_service_pb2.RequestTransferResponse

        async def work(tx: Transaction) -> study_record_service_pb2.RequestTransferResponse:
            store, records = self._parts.store(tx), self._parts.study_records(tx)
            code, actor, now = request.province_code, current_actor(), self._parts.clock.now()
            changed = await request_transfer(store, records, code, actor=actor, now=now)
            return response_type(standing=standing_to_pb(changed.standing))

        return await self._parts.run_once(request, response_type, work)

    async def WithdrawTransfer(
        self, request: study_record_service_pb2.WithdrawTransferRequest, context: Any
    ) -> study_record_service_pb2.WithdrawTransferResponse:
        """A candidate stays."""
        response_type = study_record_service_pb2.WithdrawTransferResponse

        async def work(tx: Transaction) -> study_record_service_pb2.WithdrawTransferResponse:
            store, records = self._parts.store(tx), self._parts.study_records(tx)
            actor, now = current_actor(), self._parts.clock.now()
            changed = await withdraw_transfer(store, records, actor=actor, now=now)
            return response_type(standing=standing_to_pb(changed.standing))

        return await self._parts.run_once(request, response_type, work)


async def _who(
    request: (
        study_record_service_pb2.SetStandingRequest
        | study_record_service_pb2.GetStudyRecordForOfficeRequest
    ),
    by_number: Callable[[str], Awaitable[UUID]],
) -> UUID:
    if request.WhichOneof("candidate") == "candidate_id":
        return UUID(request.candidate_id)
    return await by_number(request.ticket_number)
