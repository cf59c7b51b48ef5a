"""What other services ask and follow."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.convert import time_to_pb
from zikao_kit.feed import stream_feed

from zikao_registration.commands.find_candidate import find_candidate
from zikao_registration.converts.registrations import candidate_to_pb, event_to_pb
from zikao_registration.names import SCHEMA
from zikao_registration.parts import Parts
from zikao_registration.stores.registrations import open_event


class CandidateFeedRpc(candidate_feed_service_pb2_grpc.CandidateFeedServiceServicer):
    """What other services learn about candidates."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def WatchCandidates(
        self, request: candidate_feed_service_pb2.WatchCandidatesRequest, context: Any
    ) -> AsyncIterator[candidate_feed_service_pb2.WatchCandidatesResponse]:
        """Every change after a cursor, without an end."""
        async with aclosing(stream_feed(self._parts.db, SCHEMA, request.cursor)) as pages:
            async for page in pages:
                yield candidate_feed_service_pb2.WatchCandidatesResponse(
                    events=[
                        event_to_pb(row, open_event(self._parts.keys, row)) for row in page.rows
                    ],
                    as_of=time_to_pb(page.as_of),
                )

    async def GetCandidate(
        self, request: candidate_feed_service_pb2.GetCandidateRequest, context: Any
    ) -> candidate_feed_service_pb2.GetCandidateResponse:
        """One candidate's state now."""
        async with self._parts.db.read() as tx:
            found = await find_candidate(self._parts.store(tx), UUID(request.candidate_id))
        return candidate_feed_service_pb2.GetCandidateResponse(candidate=candidate_to_pb(found))

    async def BatchGetPhotos(
        self, request: candidate_feed_service_pb2.BatchGetPhotosRequest, context: Any
    ) -> candidate_feed_service_pb2.BatchGetPhotosResponse:
        """Photos of candidates."""
        candidate_ids = [UUID(candidate_id) for candidate_id in request.candidate_ids]
        async with self._parts.db.read() as tx:
            photos = await self._parts.store(tx).get_photos(candidate_ids)
        return candidate_feed_service_pb2.BatchGetPhotosResponse(
            photos=[
                candidate_feed_service_pb2.CandidatePhoto(candidate_id=str(key), jpeg=jpeg)
                for key, jpeg in photos.items()
            ]
        )
