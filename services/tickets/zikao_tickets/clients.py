"""What the tickets service asks registration: photos, token keys, revoked logins."""

from collections.abc import Mapping, Sequence
from uuid import UUID

import grpc
from zikao.registration.v1 import (
    account_service_pb2,
    account_service_pb2_grpc,
    candidate_feed_service_pb2,
    candidate_feed_service_pb2_grpc,
)
from zikao_kit.channel import answered
from zikao_kit.convert import time_from_pb
from zikao_kit.revoked_logins import RevokedPage

from zikao_tickets.converts.feeds import photos_from_pb
from zikao_tickets.domain.projections import Photo

PHOTOS_TIMEOUT_SECONDS = 15.0


class RegistrationClient:
    """Registration over one channel; raises DomainError, UNAVAILABLE when it does not answer."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._feed = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)
        self._accounts = account_service_pb2_grpc.AccountServiceStub(channel)

    async def photos(self, candidate_ids: Sequence[UUID]) -> Mapping[UUID, Photo]:
        """Photos of some candidates, as many as the contract allows; unknown ones are left out."""
        request = candidate_feed_service_pb2.BatchGetPhotosRequest(
            candidate_ids=[str(candidate_id) for candidate_id in candidate_ids]
        )
        call = self._feed.BatchGetPhotos(request, timeout=PHOTOS_TIMEOUT_SECONDS)
        return photos_from_pb((await answered(call)).photos)

    async def signing_keys(self) -> dict[str, bytes]:
        """The public keys with which access tokens are verified, by id."""
        call = self._accounts.ListSigningKeys(account_service_pb2.ListSigningKeysRequest())
        return {key.key_id: key.public_key for key in (await answered(call)).keys}

    async def revoked_logins(self, cursor: str) -> RevokedPage:
        """Logins whose access tokens are refused, after a cursor."""
        request = account_service_pb2.ListRevokedLoginsRequest(cursor=cursor)
        answer = await answered(self._accounts.ListRevokedLogins(request))
        ends_at = {each.login_id: time_from_pb(each.ends_at) for each in answer.logins}
        return RevokedPage(ends_at, answer.cursor, answer.more)
