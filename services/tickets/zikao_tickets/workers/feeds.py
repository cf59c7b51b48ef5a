"""Follows registration's candidates and enrollment's enrollments."""

from collections.abc import Sequence

import grpc
from zikao.enrollment.v1 import enrollment_feed_service_pb2, enrollment_feed_service_pb2_grpc
from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.crypto import KeyRing
from zikao_kit.db import Database, Transaction
from zikao_kit.feed_consumer import FeedConsumer, FeedEvent, subscription

from zikao_tickets.converts.feeds import candidate_from_pb, enrollment_from_pb
from zikao_tickets.names import CANDIDATES, ENROLLMENTS, SCHEMA
from zikao_tickets.stores.feeds import FeedStore


def follow_candidates(db: Database, keys: KeyRing, channel: grpc.aio.Channel) -> FeedConsumer:
    """Keep the projection of registration's approved candidates."""
    stub = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)

    async def apply(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        await FeedStore(tx, keys).save_candidates([event.payload for event in events])

    return FeedConsumer(
        db,
        schema=SCHEMA,
        source=CANDIDATES,
        subscribe=subscription(
            stub.WatchCandidates,
            candidate_feed_service_pb2.WatchCandidatesRequest,
            lambda event: candidate_from_pb(event.candidate),
        ),
        apply=apply,
    )


def follow_enrollments(db: Database, keys: KeyRing, channel: grpc.aio.Channel) -> FeedConsumer:
    """Keep the projection of enrollment's confirmed courses."""
    stub = enrollment_feed_service_pb2_grpc.EnrollmentFeedServiceStub(channel)

    async def apply(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        await FeedStore(tx, keys).replace_sittings([event.payload for event in events])

    return FeedConsumer(
        db,
        schema=SCHEMA,
        source=ENROLLMENTS,
        subscribe=subscription(
            stub.WatchEnrollments,
            enrollment_feed_service_pb2.WatchEnrollmentsRequest,
            enrollment_from_pb,
        ),
        apply=apply,
    )
