"""Profile changes: asked for by candidates, decided by offices."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from zikao.registration.v1 import profile_change_service_pb2, profile_change_service_pb2_grpc
from zikao_kit.context import current_actor
from zikao_kit.db import Transaction

from zikao_registration.commands.decide_profile_change import (
    decide_profile_change,
    list_profile_changes,
    view_profile_change,
)
from zikao_registration.commands.request_profile_change import (
    request_profile_change,
    require_evidence_open,
    upload_evidence,
    withdraw_profile_change,
)
from zikao_registration.converts.profile_changes import (
    change_decision_from_pb,
    change_state_from_pb,
    change_state_to_pb,
    change_summary_to_pb,
    change_to_pb,
    values_from_pb,
    values_to_pb,
)
from zikao_registration.page_tokens import PageTokens
from zikao_registration.parts import Parts
from zikao_registration.photo_encoding import encode_material
from zikao_registration.stores.change_desk import ChangeDesk

DEFAULT_PAGE_SIZE = 50
# Before the first request that there can be.
FIRST_PLACE = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))


class ProfileChangeRpc(profile_change_service_pb2_grpc.ProfileChangeServiceServicer):
    """Other names, other documents."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def RequestProfileChange(
        self, request: profile_change_service_pb2.RequestProfileChangeRequest, context: Any
    ) -> profile_change_service_pb2.RequestProfileChangeResponse:
        """A candidate asks."""
        response_type = profile_change_service_pb2.RequestProfileChangeResponse
        values = values_from_pb(request.changes, self._parts.clock.now().date())

        async def work(tx: Transaction) -> profile_change_service_pb2.RequestProfileChangeResponse:
            change = await request_profile_change(self._desk(tx), values)
            return response_type(change=change_to_pb(change))

        return await self._parts.run_once(request, response_type, work)

    async def UploadChangeEvidence(
        self, request: profile_change_service_pb2.UploadChangeEvidenceRequest, context: Any
    ) -> profile_change_service_pb2.UploadChangeEvidenceResponse:
        """Clean the evidence, then store it."""
        response_type = profile_change_service_pb2.UploadChangeEvidenceResponse

        async def check(tx: Transaction) -> None:
            await require_evidence_open(self._desk(tx))

        first = await self._parts.answered_before(request, response_type, check)
        if first is not None:
            return first
        owner = UUID(current_actor().subject)
        jpeg = await self._parts.pictures.decode(owner, encode_material, request.jpeg)

        async def work(tx: Transaction) -> profile_change_service_pb2.UploadChangeEvidenceResponse:
            change = await upload_evidence(self._desk(tx), jpeg)
            return response_type(change=change_to_pb(change))

        return await self._parts.run_once(request, response_type, work)

    async def GetProfileChange(
        self, request: profile_change_service_pb2.GetProfileChangeRequest, context: Any
    ) -> profile_change_service_pb2.GetProfileChangeResponse:
        """The caller's last request."""
        async with self._reading() as desk:
            change = await desk.changes.get_last(UUID(desk.actor.subject))
        return profile_change_service_pb2.GetProfileChangeResponse(change=change_to_pb(change))

    async def WithdrawProfileChange(
        self, request: profile_change_service_pb2.WithdrawProfileChangeRequest, context: Any
    ) -> profile_change_service_pb2.WithdrawProfileChangeResponse:
        """A candidate has thought better of it."""
        response_type = profile_change_service_pb2.WithdrawProfileChangeResponse

        async def work(tx: Transaction) -> profile_change_service_pb2.WithdrawProfileChangeResponse:
            change = await withdraw_profile_change(self._desk(tx))
            return response_type(change=change_to_pb(change))

        return await self._parts.run_once(request, response_type, work)

    async def ListProfileChanges(
        self, request: profile_change_service_pb2.ListProfileChangesRequest, context: Any
    ) -> profile_change_service_pb2.ListProfileChangesResponse:
        """A page of requests, masked."""
        tokens = PageTokens(self._parts.keys, request)
        state, size = change_state_from_pb(request.state), request.page_size or DEFAULT_PAGE_SIZE
        async with self._reading() as desk:
            found = await list_profile_changes(
                desk, request.county_code, state, _place(tokens), size + 1
            )
        page = found[:size]
        last = page[-1][0] if len(found) > size else None
        return profile_change_service_pb2.ListProfileChangesResponse(
            changes=[change_summary_to_pb(*each) for each in page],
            next_page_token=tokens.make([last.requested_at.isoformat(), str(last.change_id)])
            if last
            else "",
        )

    async def GetProfileChangeForReview(
        self, request: profile_change_service_pb2.GetProfileChangeForReviewRequest, context: Any
    ) -> profile_change_service_pb2.GetProfileChangeForReviewResponse:
        """One request in full, audited."""
        async with self._parts.db.transaction() as tx:
            change_id = UUID(request.change_id)
            found = await view_profile_change(self._desk(tx), self._parts.accounts(tx), change_id)
        return profile_change_service_pb2.GetProfileChangeForReviewResponse(
            change=change_to_pb(found.change),
            current=values_to_pb(found.current),
            evidence_jpeg=found.evidence,
            document_taken=found.document_taken,
        )

    async def DecideProfileChange(
        self, request: profile_change_service_pb2.DecideProfileChangeRequest, context: Any
    ) -> profile_change_service_pb2.DecideProfileChangeResponse:
        """Approve or reject."""
        response_type = profile_change_service_pb2.DecideProfileChangeResponse

        async def work(tx: Transaction) -> profile_change_service_pb2.DecideProfileChangeResponse:
            decision = change_decision_from_pb(request, self._parts.clock.now())
            accounts, change_id = self._parts.accounts(tx), UUID(request.change_id)
            state = await decide_profile_change(self._desk(tx), accounts, change_id, decision)
            return response_type(state=change_state_to_pb(state))

        return await self._parts.run_once(request, response_type, work)

    def _desk(self, tx: Transaction) -> ChangeDesk:
        return self._parts.change_desk(tx, current_actor(), self._parts.clock.now())

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[ChangeDesk]:
        async with self._parts.db.read() as tx:
            yield self._desk(tx)


def _place(tokens: PageTokens) -> tuple[datetime, UUID]:
    place = tokens.read()
    return (datetime.fromisoformat(place[0]), UUID(place[1])) if place else FIRST_PLACE
