"""Several gRPC servers of one process on one port, so that it takes several calls at once.

grpc.aio takes the calls of a server one by one: it asks for the next only after a round trip
through its polling thread. Where connections are spread over several servers (the kernel does
that), one round trip brings a call of each: half again as many calls a core.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import grpc

from zikao_kit.config import host_and_port

NewCredentials = Callable[[], grpc.ServerCredentials]
# A machine without IPv6 may still have a name for one of its addresses.
_NOT_HERE = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class ListenError(OSError):
    """Somebody else has the address, or this machine has not; the text names it."""


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

    async def start(self, address: str, new_credentials: NewCredentials, *, shared: bool) -> int:
        """Listen at "host:port" and return the port, a free one for 0.

        Each listener has credentials of its own: gRPC asks each apart for what is new.
        ListenError when somebody listens there already; other processes may if it is `shared`.
        """
        host, port = host_and_port(address)
        try:
            with nullcontext() if shared or not port else _alone(host, port):
                port = await self._listen(address, new_credentials())
            for _ in range(1, self._count):
                await self._listen(f"{host}:{port}", new_credentials())
        except BaseException:
            await self.stop(0)
            raise
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
            raise ListenError(f"cannot listen on {address}") from error
        self._servers.append(server)
        await server.start()
        return port


@contextmanager
def _alone(host: str, port: int) -> Iterator[None]:
    """Have the port as nobody else has it, and let servers that share it join meanwhile.

    Raises ListenError when anybody listens: who shares a port would not notice, nor would two
    that had looked at the same time.
    """
    with ExitStack() as claims:
        try:
            name = host.strip("[]")
            places = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            for family, kind, protocol, _, place in places:
                # Of a name's addresses gRPC takes those that there are.
                with _passing(_NOT_HERE):
                    _claim(claims.enter_context(socket.socket(family, kind, protocol)), place)
        except OSError as error:
            raise ListenError(f"cannot listen on {host}:{port}: {error.strerror}") from error
        yield


@contextmanager
def _passing(numbers: frozenset[int]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise


def _claim(claim: socket.socket, place: Any) -> None:
    # What is left of closed connections does not keep a server from starting again.
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    claim.bind(place)
    # Two may have bound; only one listens.
    claim.listen()
    # Asked for later than the port itself: so far it was not shared.
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
