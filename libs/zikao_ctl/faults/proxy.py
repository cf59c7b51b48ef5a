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
from contextlib import suppress
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
    """Listens on 127.0.0.1 while the block runs."""

    def __init__(self, dsn: str, port: int = 0) -> None:
        """Pass everything on to the server of `dsn`; `port` 0: listen on a free one."""
        self._server_dsn = urlsplit(dsn)
        self._port = port
        self._listener: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        self._moment: Moment | None = None
        self._role, self._left = b"", 0
        self._passing = asyncio.Event()
        self._passing.set()
        self.cuts = 0
        """Connections lost at COMMIT so far."""
        self.refusing = False
        """Whether whoever connects is turned away."""

    @property
    def dsn(self) -> str:
        """The same DSN through the proxy."""
        assert self._listener is not None
        port = self._listener.sockets[0].getsockname()[1]
        login = self._server_dsn.netloc.rpartition("@")[0]
        address = self._server_dsn._replace(netloc=f"{login}@{HOST}:{port}".lstrip("@"))
        return urlunsplit(address._replace(query="sslmode=disable"))

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._sessions)

    def cut_at_commit(self, moment: Moment, role: str = "", times: int = 1) -> None:
        """Cut the next connections that send a COMMIT, of this role if one is named."""
        self._moment, self._role, self._left = moment, role.encode(), times

    def spare(self) -> None:
        """Cut nobody at COMMIT after all, let pass what was stopped, and turn nobody away."""
        self._left = 0
        self.refusing = False
        self._passing.set()

    def cut_all(self) -> int:
        """Cut every connection there is; return how many there were."""
        for session in self._sessions:
            session.cancel()
        return len(self._sessions)

    def stop_passing(self) -> None:
        """Keep all connections, and pass nothing on, as a network that is lost; until `spare`."""
        self._passing.clear()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._listener = await asyncio.start_server(self._accept, HOST, self._port)
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
        self.cut_all()
        await asyncio.gather(*self._sessions, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self.refusing:
            writer.transport.abort()
            return
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)
        host, port = self._server_dsn.hostname, self._server_dsn.port
        try:
            server = await asyncio.open_connection(host, port)
        except OSError:  # it is down: so are we, to whoever asks
            writer.transport.abort()
            return
        with suppress(asyncio.CancelledError):  # cut: the task is of this connection alone
            await _Session((reader, writer), server, self._passing, self._take_moment).run()

    def _take_moment(self, role: bytes) -> Moment | None:
        if not self._left or (self._role and self._role != role):
            return None
        self._left -= 1
        self.cuts += 1
        return self._moment


_Side = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Session:
    """One client and the server's connection for it."""

    def __init__(
        self,
        client: _Side,
        server: _Side,
        passing: asyncio.Event,
        take_moment: Callable[[bytes], Moment | None],
    ) -> None:
        self._from_client, self._to_client = client
        self._from_server, self._to_server = server
        self._passing = passing
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
        # The first message has no type; it says whose connection it is.
        start = await _read_body(self._from_client)
        role = _role_of(start)
        self._to_server.write(start)
        while True:
            message = await _read_message(self._from_client)
            await self._passing.wait()
            moment = self._take_moment(role) if _is_commit(message) else None
            if moment is Moment.BEFORE:
                return
            if moment is Moment.DURING:
                self._to_client.transport.abort()
                await asyncio.sleep(LATE_SECONDS)
            self._swallowing = moment is not None
            await _pass_on(self._to_server, message)
            if self._swallowing:
                await asyncio.Future()  # until the server has answered

    async def _back(self) -> None:
        while True:
            message = await _read_message(self._from_server)
            await self._passing.wait()
            if not self._swallowing:
                await _pass_on(self._to_client, message)
            elif message[:1] == READY_FOR_QUERY:
                return


_GONE = (asyncio.IncompleteReadError, ConnectionError)


async def _pass_on(writer: asyncio.StreamWriter, message: bytes) -> None:
    """Write no faster than it is read; one of _GONE where nobody reads any more."""
    writer.write(message)
    await writer.drain()


async def _read_message(reader: asyncio.StreamReader) -> bytes:
    kind = await reader.readexactly(1)
    return kind + await _read_body(reader)


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    length = await reader.readexactly(4)
    return length + await reader.readexactly(struct.unpack("!I", length)[0] - 4)


def _role_of(start: bytes) -> bytes:
    """The user of a StartupMessage: pairs of name and value, each ended by a zero."""
    words = start[8:].split(b"\0")
    return dict(zip(words[::2], words[1::2], strict=False)).get(b"user", b"")


def _is_commit(message: bytes) -> bool:
    return message[:1] == QUERY and message[5:].rstrip(b"\0; \n").upper() == b"COMMIT"
