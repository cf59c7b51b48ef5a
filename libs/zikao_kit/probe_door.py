"""The way to the port for probes, which nobody can stand in for long.

gRPC only bounds connections in all, so whoever is there first keeps probes out, and a process that
works well would be started anew. Here the newest is always let in, and the oldest of the address
that has most goes: a probe is over within milliseconds.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from contextlib import suppress

import structlog

from zikao_kit.config import host_and_port

MAX_CONNECTIONS = 32
MAX_CONNECTIONS_PER_ADDRESS = 4
MAX_CONNECTION_SECONDS = 5.0
# Whoever knocks without end costs the event loop no more than this many times a second.
MAX_NEW_PER_SECOND = 200
MAX_WAITING = 128
PART_BYTES = 4096

log = structlog.get_logger()


class ProbeDoor:
    """Listens at "host:port", and passes what comes on to a Unix socket; of one event loop."""

    def __init__(self, address: str, inside: str) -> None:
        """Take the port; OSError when somebody has it."""
        host, port = host_and_port(address)
        host = host.strip("[]")
        is_six = ":" in host
        self._listener = socket.create_server(
            (host, port),
            family=socket.AF_INET6 if is_six else socket.AF_INET,
            backlog=MAX_WAITING,
            dualstack_ipv6=is_six and host == "::" and socket.has_dualstack_ipv6(),
        )
        self._listener.setblocking(False)
        self._inside = inside
        # The oldest first, each with the address that it is from.
        self._passing: dict[asyncio.Task[None], str] = {}
        self._taking: asyncio.Task[None] | None = None

    def open(self) -> int:
        """Let connections in from now on; the port."""
        self._taking = asyncio.create_task(self._take())
        port: int = self._listener.getsockname()[1]
        return port

    async def close(self) -> None:
        """Let nobody in any more, and end those that are in."""
        tasks = [*([self._taking] if self._taking else []), *self._passing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listener.close()

    async def _take(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, place = await loop.sock_accept(self._listener)
            except OSError as error:  # no more files; one that has gone already
                log.warning("probe not let in", cause=str(error))
                await asyncio.sleep(1)
                continue
            self._make_room(place[0])
            task = asyncio.create_task(_pass_on(connection, self._inside))
            self._passing[task] = place[0]
            task.add_done_callback(lambda ended: self._passing.pop(ended, None))
            await asyncio.sleep(1 / MAX_NEW_PER_SECOND)

    def _make_room(self, address: str) -> None:
        """Let the oldest go of the address that comes, or else of the one that has most."""
        counts = Counter(self._passing.values())
        if counts[address] >= MAX_CONNECTIONS_PER_ADDRESS:
            crowded = address
        elif len(self._passing) >= MAX_CONNECTIONS:
            crowded = counts.most_common(1)[0][0]
        else:
            return
        oldest = next(task for task, each in self._passing.items() if each == crowded)
        del self._passing[oldest]
        oldest.cancel()


async def _pass_on(connection: socket.socket, inside: str) -> None:
    """Carry bytes there and back until either end is over, or the time."""
    loop = asyncio.get_running_loop()
    with connection, socket.socket(socket.AF_UNIX) as within, suppress(OSError, TimeoutError):
        within.setblocking(False)
        async with asyncio.timeout(MAX_CONNECTION_SECONDS):
            await loop.sock_connect(within, inside)
            ways = (_carry(connection, within), _carry(within, connection))
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while part := await loop.sock_recv(source, PART_BYTES):
        await loop.sock_sendall(target, part)
