"""A TCP proxy before PostgreSQL that loses a connection exactly at COMMIT.

    async with CuttingProxy(dsn) as proxy:
        ...connect to proxy.dsn...
        proxy.cut_at_commit(Moment.AFTER)    # the next COMMIT of any connection, once

It reads the messages of the frontend/backend protocol (version 3), so it knows a
simple query `COMMIT` from one that only contains the word. No TLS, no COPY BOTH.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit, urlunsplit

HOST = "127.0.0.1"
QUERY = b"Q"
READY_FOR_QUERY = b"Z"
# Long enough for whoever was cut off to ask what became of the COMMIT before it is there.
LATE_SECONDS = 0.3


class Moment(Enum):
    """When the client loses its connection, as seen from the server."""

    BEFORE = "the server never sees the COMMIT"
    AFTER = "the server has committed, its answer is lost"
    DURING = "the server gets the COMMIT only after the client has lost its connection"


class CuttingProxy:
    """Listens on a free port of 127.0.0.1 while the block runs."""

    def __init__(self, dsn: str) -> None:
        """Pass everything on to the server of `dsn`."""
        self._server_dsn = urlsplit(dsn)
        self._listener: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._moment: Moment | None = None
        self.cuts = 0

    @property
    def dsn(self) -> str:
        """The same DSN through the proxy."""
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        login = self._server_dsn.netloc.rpartition("@")[0]
        address = self._server_dsn._replace(netloc=f"{login}@{HOST}:{port}")
        return urlunsplit(address._replace(query="sslmode=disable"))

    def cut_at_commit(self, moment: Moment) -> None:
        """Cut the next connection that sends a COMMIT, once."""
        self._moment = moment

    async def __aenter__(self) -> Self:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, HOST, 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cut what is left and stop listening."""
        assert self._listener is not None
        self._listener.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        host, port = self._server_dsn.hostname, self._server_dsn.port
        server = await asyncio.open_connection(host, port)
        await _Session((reader, writer), server, self._take_moment).run()

    def _take_moment(self) -> Moment | None:
        moment, self._moment = self._moment, None
        self.cuts += moment is not None
        return moment


_Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Session:
    """One client and the server's connection for it."""

    def __init__(
        self, client: _Side, server: _Side, take_moment: Callable[[], Moment | None]
    ) -> None:
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._take_moment = take_moment
        self._swallowing = False

    async def run(self) -> None:
        """Pass messages on in both directions until one side is gone."""
        pumps = [asyncio.ensure_future(pump) for pump in (self._forth(), self._back())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            for writer in (self._to_client, self._to_server):
                writer.transport.abort()
            results = await asyncio.gather(*pumps, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, _GONE):
                raise result

    async def _forth(self) -> None:
        # The first message has no type.
        self._to_server.write(await _read_body(self._from_client))
        while True:
            message = await _read_message(self._from_client)
            moment = self._take_moment() if _is_commit(message) else None
            if moment is Moment.BEFORE:
                return
            if moment is Moment.DURING:
                self._to_client.transport.abort()
                await asyncio.sleep(LATE_SECONDS)
            self._swallowing = moment is not None
            self._to_server.write(message)
            if self._swallowing:
                await asyncio.Future()  # until the server has answered

    async def _back(self) -> None:
        while True:
            message = await _read_message(self._from_server)
            if not self._swallowing:
                self._to_client.write(message)
            elif message[:1] == READY_FOR_QUERY:
                return


_GONE = (asyncio.IncompleteReadError, ConnectionError)


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    kind = await reader.readexactly(1)
    return kind + await _read_body(reader)


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)


def _is_commit(message: bytes) -> bool:
    return message[:1] == QUERY and message[5:].rstrip(b"\0; \n").upper() == b"COMMIT"
