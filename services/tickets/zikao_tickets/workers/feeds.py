"""Follows registration's candidates and enrollment's enrollments."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

import grpc
from zikao.enrollment.v1 import enrollment_feed_service_pb2, enrollment_feed_service_pb2_grpc
from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.feed_consumer import FeedConsumer, FeedEvent, FeedMessage

from zikao_tickets.convert import candidate_from_pb, enrollment_from_pb, time_from_pb
from zikao_tickets.feed_store import FeedStore
from zikao_tickets.parts import CANDIDATES, ENROLLMENTS, SCHEMA


@dataclass(frozen=True)
class CandidateFeed:
    """Registration's approved candidates."""

    db: Database
    keys: KeyRing
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
        states = [candidate_from_pb(parse(event.payload)) for event in events]
        await FeedStore(tx, self.keys).save_candidates(states)


@dataclass(frozen=True)
class EnrollmentFeed:
    """Enrollment's confirmed courses."""

    db: Database
    keys: KeyRing
    channel: grpc.aio.Channel

    def consumer(self) -> FeedConsumer:
        """The consumer that keeps the projection."""
        return FeedConsumer(
            self.db,
            schema=SCHEMA,
            source=ENROLLMENTS,
            subscribe=self._subscribe,
            apply=self._apply,
        )

    async def _subscribe(self, cursor: str) -> AsyncGenerator[FeedMessage, None]:
        stub = enrollment_feed_service_pb2_grpc.EnrollmentFeedServiceStub(self.channel)
        request = enrollment_feed_service_pb2.WatchEnrollmentsRequest(cursor=cursor)
        async for answer in stub.WatchEnrollments(request):
            events = [FeedEvent(event.cursor, event.SerializeToString()) for event in answer.events]
            as_of = time_from_pb(answer.as_of)
            yield FeedMessage(events, as_of)
            # The consumer comes back for more once it has applied these.
            async with self.db.transaction() as tx:
                await FeedStore(tx, self.keys).save_freshness(ENROLLMENTS, as_of)

    async def _apply(self, tx: Transaction, events: Sequence[FeedEvent]) -> None:
        parse = enrollment_feed_service_pb2.EnrollmentEvent.FromString
        states = [enrollment_from_pb(parse(event.payload)) for event in events]
        await FeedStore(tx, self.keys).replace_sittings(states)
