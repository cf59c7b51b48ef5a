"""Peers that fall silent, or hang up on whoever connects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Proxy:
    """Passes bytes on to a port until it is `silent`; connections stay open then."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self.port = 0
        self.silent = False

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side closes it."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        passing = [
            asyncio.create_task(self._pass(reader, far_writer)),
            asyncio.create_task(self._pass(far_reader, writer)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task, end in zip(passing, (writer, far_writer), strict=True):
            task.cancel()
            end.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            if not self.silent:
                writer.write(data)


@asynccontextmanager
async def proxy_to(port: int) -> AsyncIterator[Proxy]:
    """A proxy before `port`, listening on a port of its own."""
    proxy = Proxy(port)
    async with await asyncio.start_server(proxy.connect, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


@asynccontextmanager
async def hanging_up(port: int) -> AsyncIterator[list[None]]:
    """Accept connections on a port and end them at once; one element for each of them."""
    attempts: list[None] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        attempts.append(None)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", port):
        yield attempts
