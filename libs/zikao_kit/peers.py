"""Whether other services can be reached, known before anybody needs them.

A channel connects at its first call: a wrong address or the certificate of another name would show
when the first candidate wants to pay.
"""

from __future__ import annotations

import grpc
import structlog
from prometheus_client import Gauge

from zikao_kit.config import PeerConfig

CONNECTED = Gauge(
    "zikao_peer_connected", "1 while another service can be reached, else 0.", ["peer"]
)
log = structlog.get_logger()


class PeerWatch:
    """Keeps one channel connected and tells when it cannot be; `work` is to be repeated."""

    def __init__(self, name: str, channel: grpc.aio.Channel, peer: PeerConfig) -> None:
        self._name = name
        self._channel = channel
        self._peer = peer
        self._connected: bool | None = None
        CONNECTED.labels(name).set(0)

    async def work(self) -> bool:
        """Look, and connect if need be; never done."""
        state = self._channel.get_state(try_to_connect=True)
        if state is grpc.ChannelConnectivity.READY:
            self._note(connected=True)
        elif state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            self._note(connected=False)
        return False

    def _note(self, *, connected: bool) -> None:
        if connected is self._connected:
            return
        self._connected = connected
        CONNECTED.labels(self._name).set(connected)
        where = {"target": self._peer.target, "server_name": self._peer.server_name}
        if connected:
            log.info("peer reached", peer=self._name, **where)
        else:
            log.warning("peer cannot be reached", peer=self._name, **where)
