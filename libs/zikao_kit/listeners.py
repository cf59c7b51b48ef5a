"""Several gRPC servers of one process on one port, so that it takes several calls at once.

grpc.aio takes the calls of a server one by one: it asks for the next only after a round trip
through its polling thread. Where connections are spread over several servers (the kernel does
that), one round trip brings a call of each: half again as many calls a core.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import grpc


class Listeners:
    """Listen from `start` to `stop`, all with the same handlers."""

    def __init__(
        self,
        count: int,
        handlers: grpc.GenericRpcHandler[Any, Any],
        options: Sequence[tuple[str, Any]],
    ) -> None:
        self._count = count
        self._handlers = handlers
        self._options = [*options, ("grpc.so_reuseport", 1)]
        self._servers: list[grpc.aio.Server] = []

    async def start(
        self, address: str, credentials: grpc.ServerCredentials, *, shared: bool
    ) -> int:
        """Listen at "host:port" and return the port, a free one for 0.

        OSError when somebody listens there already; other processes may if it is `shared`.
        """
        host, port = _split(address)
        if port and not shared:
            _require_free(host, port)
        for _ in range(self._count):
            port = await self._listen(f"{host}:{port}", credentials)
        return port

    async def stop(self, grace_seconds: float) -> None:
        """Take no more calls, and let those under way end until the grace is over."""
        servers, self._servers = self._servers, []
        await asyncio.gather(*(server.stop(grace_seconds) for server in servers))

    async def _listen(self, address: str, credentials: grpc.ServerCredentials) -> int:
        server = grpc.aio.server(options=self._options)
        server.add_generic_rpc_handlers((self._handlers,))
        try:
            port: int = server.add_secure_port(address, credentials)
        except RuntimeError as error:
            await self.stop(0)
            raise OSError(f"cannot listen on {address}") from error
        await server.start()
        self._servers.append(server)
        return port


def _split(address: str) -> tuple[str, int]:
    """Host (an IPv6 one in brackets) and port; ValueError when it has no port."""
    host, _, port = address.rpartition(":")
    return host, int(port)


def _require_free(host: str, port: int) -> None:
    """Raise OSError when anybody listens: servers that share a port would not notice."""
    name = urlsplit(f"//{host}").hostname
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, place = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port}: {error.strerror}") from error
