"""Following a contract's Watch method over the wire."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

from support.service import until
from support.tickets_peers import Peers, running_peers
from zikao.registration.v1 import candidate_feed_service_pb2, candidate_feed_service_pb2_grpc
from zikao_kit.channel import open_peer
from zikao_kit.feed_consumer import subscription
from zikao_kit.tls import DevelopmentCa


async def test_a_subscription_that_is_given_up_ends_at_the_source(tmp_path: Path) -> None:
    """Whoever stops reading, because an event could not be applied, leaves no call open there."""
    ca, peers = DevelopmentCa(tmp_path), Peers()
    service = candidate_feed_service_pb2.DESCRIPTOR.services_by_name["CandidateFeedService"]
    async with (
        running_peers(ca, peers),
        open_peer(peers.registration, ca.issue("tickets"), service) as channel,
    ):
        stub = candidate_feed_service_pb2_grpc.CandidateFeedServiceStub(channel)
        subscribe = subscription(
            stub.WatchCandidates,
            candidate_feed_service_pb2.WatchCandidatesRequest,
            lambda event: event.candidate,
        )
        for _ in range(3):
            async with aclosing(subscribe("")) as messages:
                assert not (await anext(messages)).events
                assert peers.candidate_watchers >= 1
        await until(lambda: peers.candidate_watchers == 0)
