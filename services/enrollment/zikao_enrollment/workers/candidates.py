"""Follows registration's candidates: eligibility is decided here, also while it is away."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import grpc
from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.db import Database, Transaction
from zikao_kit.feed_consumer import FeedConsumer, FeedEvent, FeedMessage

from zikao_enrollment.convert import candidate_from_pb, time_from_pb
from zikao_enrollment.store import SCHEMA, Store

CANDIDATES = "registration.candidates"


@dataclass(frozen=True)
class CandidateFeed:
    """Registration's approved candidates."""

    db: Database
    channel: grpc.aio.Channel

    def consumer(self) -> FeedConsumer:
        """The consumer that keeps the projection."""
        return FeedConsumer(
            self.db,
            schema=SCHEMA,
            source=CANDIDATES,
            subscribe=self._subscribe,
            apply=self._apply,
        )

    async def _subscribe(self, cursor: str) -> AsyncGenerator[FeedMessage, None]:
        stub = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(self.channel)
        request = candidate_feed_service_pb2.WatchCandidatesRequest(cursor=cursor)
        async for answer in stub.WatchCandidates(request):
            events = [FeedEvent(e.cursor, e.candidate.SerializeToString()) for e in answer.events]
            yield FeedMessage(events, time_from_pb(answer.as_of))

    async def _apply(self, tx: Transaction, events: Sequence[FeedEvent]) -> None:
        parse = candidate_feed_service_pb2.Candidate.FromString
        await Store(tx).save_candidates(candidate_from_pb(parse(e.payload)) for e in events)
