"""What goes over the wire: a relay between callers and a service that counts bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

_CHUNK_BYTES = 64 * 1024


@dataclass
class Wire:
    """Bytes as TLS makes them, until now, from callers and to them."""

    port: int = 0
    sent: int = 0
    received: int = 0


@asynccontextmanager
async def counted(target_port: int) -> AsyncIterator[Wire]:
    """A port of 127.0.0.1 that leads to another, and what passes."""
    wire = Wire()
    at_work: set[asyncio.Task[None]] = set()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, out = await asyncio.open_connection("127.0.0.1", target_port)
        for start, end, name in ((reader, out, "sent"), (there, writer, "received")):
            task = asyncio.create_task(_pass_on(start, end, wire, name))
            at_work.add(task)
            task.add_done_callback(at_work.discard)

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    wire.port = server.sockets[0].getsockname()[1]
    try:
        yield wire
    finally:
        server.close()
        for task in list(at_work):
            task.cancel()
        await asyncio.gather(*at_work, return_exceptions=True)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, wire: Wire, name: str
) -> None:
    with suppress(ConnectionError):
        while chunk := await reader.read(_CHUNK_BYTES):
            setattr(wire, name, getattr(wire, name) + len(chunk))
            writer.write(chunk)
            await writer.drain()
    writer.close()
