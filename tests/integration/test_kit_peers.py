"""A wrong address or name of another service is seen before anybody calls it."""

from dataclasses import replace
from pathlib import Path

from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from support.service import free_port, until
from support.tickets_peers import Peers, running_peers
from zikao_kit.channel import open_peer
from zikao_kit.config import CertFiles, PeerConfig
from zikao_kit.peers import PeerWatch
from zikao_kit.tls import DevelopmentCa


async def told_of(name: str, peer: PeerConfig, files: CertFiles) -> tuple[float | None, str]:
    """The metric of a peer once something is told of it, and what is told."""
    with capture_logs() as logs:
        async with open_peer(peer, files) as channel:
            watch = PeerWatch(name, channel, peer)

            async def told() -> bool:
                await watch.work()
                return bool(logs)

            await until(told)
    assert logs[0]["target"] == peer.target
    return REGISTRY.get_sample_value("zikao_peer_connected", {"peer": name}), logs[0]["event"]


async def test_whether_a_peer_can_be_reached_shows_without_a_call(tmp_path: Path) -> None:
    """One that answers is 1; another name in its certificate or nobody at its port is told as 0."""
    ca, peers = DevelopmentCa(tmp_path), Peers()
    async with running_peers(ca, peers):
        right, files = peers.registration, ca.issue("tickets")
        assert await told_of("right", right, files) == (1, "peer reached")
        wrong = {
            "name": replace(right, server_name="platform"),
            "port": replace(right, target=f"localhost:{free_port()}"),
        }
        for name, peer in wrong.items():
            assert await told_of(name, peer, files) == (0, "peer cannot be reached")
