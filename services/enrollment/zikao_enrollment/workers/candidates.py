"""Follows registration's candidates: eligibility is decided here, also while it is away."""

from collections.abc import Sequence

import grpc
from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.db import Database, Transaction
from zikao_kit.feed_consumer import FeedConsumer, FeedEvent, subscription

from zikao_enrollment.converts.orders import candidate_from_pb
from zikao_enrollment.names import CANDIDATES_FEED, SCHEMA
from zikao_enrollment.store import Store


def follow_candidates(db: Database, channel: grpc.aio.Channel) -> FeedConsumer:
    """Keep the projection of registration's approved candidates."""
    stub = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)

    async def apply(tx: Transaction, events: Sequence[FeedEvent]) -> None:
        await Store(tx).candidates.save(event.payload for event in events)

    return FeedConsumer(
        db,
        schema=SCHEMA,
        source=CANDIDATES_FEED,
        subscribe=subscription(
            stub.WatchCandidates,
            candidate_feed_service_pb2.WatchCandidatesRequest,
            lambda event: candidate_from_pb(event.candidate),
        ),
        apply=apply,
    )
