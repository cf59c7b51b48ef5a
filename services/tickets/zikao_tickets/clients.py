"""What the tickets service asks registration: photos and token keys."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import grpc
from zikao.registration.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    candidate_feed_service_pb2,
    candidate_feed_service_pb2_grpc,
)

from zikao_tickets.convert import photos_from_pb
from zikao_tickets.domain.projections import Photo

MAX_PHOTOS_PER_CALL = 50
PHOTOS_TIMEOUT_SECONDS = 15.0


class RegistrationClient:
    """Registration over one channel; raises grpc.aio.AioRpcError."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._feed = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)
        self._accounts = account_service_pb2_grpc.AccountServiceStub(channel)

    async def photos(self, candidate_ids: Sequence[UUID]) -> Mapping[UUID, Photo]:
        """Photos of at most 50 candidates; unknown ones are left out."""
        request = candidate_feed_service_pb2.BatchGetPhotosRequest(
            candidate_ids=[str(candidate_id) for candidate_id in candidate_ids]
        )
        answer = await self._feed.BatchGetPhotos(request, timeout=PHOTOS_TIMEOUT_SECONDS)
        return photos_from_pb(answer.photos)

    async def signing_keys(self) -> dict[str, bytes]:
        """The public keys with which access tokens are verified, by id."""
        request = account_service_pb2.ListSigningKeysRequest()
        answer = await self._accounts.ListSigningKeys(request)
        return {key.key_id: key.public_key for key in answer.keys}
