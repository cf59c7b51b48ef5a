"""A gateway as a data centre has it: passes TLS on by the name that is asked for, unopened.

And the name server that says where it is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

LOOPBACK = "127.0.0.1"
_PIECE = 65_536
# RFC 1035: 12 bytes of header before the question; type A, class IN.
_HEADER, _TYPE_AND_CLASS = 12, 4
_TYPE_A = b"\0\x01"
_NO_ANSWERS, _ONE_ANSWER = b"\0\0", b"\0\x01"
# Its name is that of the question; it is an address of 4 bytes, good for no time.
_ANSWER = b"\xc0\x0c" + _TYPE_A + b"\0\x01" + bytes(4) + b"\0\x04" + bytes([127, 0, 0, 1])


@dataclass
class NameGateway:
    """Listens at `port`; `asked` are the names that connections came with, in their order."""

    backends: Mapping[str, int]
    port: int = 0
    name_server: int = 0
    asked: list[str | None] = field(default_factory=list)

    def target(self, host: str) -> str:
        """Where a client finds a host, which it looks up at the name server."""
        return f"dns://{LOOPBACK}:{self.name_server}/{host}:{self.port}"

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection: hang up when there is nobody of that name."""
        hello, name = await _hello(reader)
        self.asked.append(name)
        port = self.backends.get(name or "")
        with suppress(OSError):
            if port is not None:
                far_reader, far_writer = await asyncio.open_connection(LOOPBACK, port)
                far_writer.write(hello)
                await _both(_copy(reader, far_writer), _copy(far_reader, writer))
                far_writer.transport.abort()
        writer.transport.abort()


@asynccontextmanager
async def name_gateway(backends: Mapping[str, int]) -> AsyncIterator[NameGateway]:
    """While the block runs; `backends` are ports of this machine by host name."""
    gateway = NameGateway(backends)
    sessions: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        sessions.add(session)
        with suppress(asyncio.CancelledError):
            await gateway.pass_on(reader, writer)

    loop = asyncio.get_running_loop()
    names, _ = await loop.create_datagram_endpoint(_NameServer, (LOOPBACK, 0))
    gateway.name_server = names.get_extra_info("sockname")[1]
    server = await asyncio.start_server(accept, LOOPBACK, 0)
    gateway.port = server.sockets[0].getsockname()[1]
    try:
        yield gateway
    finally:
        names.close()
        server.close()
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions)


class _NameServer(asyncio.DatagramProtocol):
    """Every host is this machine, by IPv4 only."""

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.DatagramTransport = transport

    def datagram_received(self, query: bytes, sender: tuple[str, int]) -> None:
        end = query.index(b"\0", _HEADER) + 1
        question = query[_HEADER : end + _TYPE_AND_CLASS]
        known = query[end : end + 2] == _TYPE_A
        count = _ONE_ANSWER if known else _NO_ANSWERS
        head = query[:2] + b"\x81\x80" + b"\0\x01" + count + bytes(4)
        self._transport.sendto(head + question + (_ANSWER if known else b""), sender)


async def _hello(reader: asyncio.StreamReader) -> tuple[bytes, str | None]:
    """What the caller said first, and which name it asks for; it is read, not answered."""
    names: list[str | None] = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    incoming, hello = ssl.MemoryBIO(), b""
    handshake = context.wrap_bio(incoming, ssl.MemoryBIO(), server_side=True)
    while piece := await reader.read(_PIECE):
        hello += piece
        incoming.write(piece)
        try:
            handshake.do_handshake()
        except ssl.SSLWantReadError:
            continue  # not all of it is here
        except ssl.SSLError:
            break  # it has no certificate to show, and wants none
    return hello, names[0] if names else None


async def _both(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()
