"""Lets containers reach what listens on this machine's loopback, through their gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

LOOPBACK = "127.0.0.1"
PIECE_BYTES = 64 * 1024


@asynccontextmanager
async def forwarding(address: str, ports: Iterable[int]) -> AsyncIterator[None]:
    """While the block runs, the ports of `address` are those of the loopback."""
    sessions: set[asyncio.Task[None]] = set()
    servers = [await _forward(address, port, sessions) for port in ports]
    try:
        yield
    finally:
        for server in servers:
            server.close()
        for session in sessions:
            session.cancel()
        await asyncio.gather(*sessions, return_exceptions=True)


async def _forward(address: str, port: int, sessions: set[asyncio.Task[None]]) -> asyncio.Server:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = asyncio.current_task()
        assert session is not None
        sessions.add(session)
        session.add_done_callback(sessions.discard)
        with suppress(OSError, asyncio.CancelledError):
            await _pass_on_both(reader, writer, port)
        writer.transport.abort()

    return await asyncio.start_server(accept, address, port)


async def _pass_on_both(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int
) -> None:
    answers, questions = await asyncio.open_connection(LOOPBACK, port)
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pass_on(reader, questions))
            group.create_task(_pass_on(answers, writer))
    except* OSError:
        pass  # one side is gone: so is the other
    finally:
        questions.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(PIECE_BYTES):
        writer.write(piece)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
