"""Somebody who abuses a server: connections that send what `support.abuse` makes, and listen."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from support.abuse import Call, Kind, Piece
from zikao_ctl.rush.http2 import (
    ACK,
    END_STREAM,
    FRAME,
    GOAWAY,
    HEADERS,
    PING,
    PREFACE,
    RESET,
    SETTINGS,
    status_of,
)
from zikao_kit.config import CertFiles

# Of 127.0.0.0/8, so that it never leaves the machine, and is not where honest callers are.
ABUSER = "127.0.0.66"
AGAIN_SECONDS = 0.02
CONNECT_SECONDS = 10.0
OPENED_AT_ONCE = 100
WRITTEN_AT_ONCE = 8
LITTLE_BYTES = 16 * 1024
# The first byte of struct tcp_info (linux/tcp.h).
TCP_ESTABLISHED = 1


@dataclass
class Deeds:
    """What was done, and what the server said to it."""

    deeds: int = 0
    connections: int = 0
    open_at_most: int = 0
    bytes_sent: int = 0
    answers: Counter[str] = field(default_factory=Counter)


class Abuser(asyncio.Protocol):
    """One connection."""

    def __init__(self, kind: Kind, call: Call, deeds: Deeds, ended: asyncio.Event) -> None:
        self._kind = kind
        self._call = call
        self._deeds = deeds
        self._ended = ended
        self._transport: Any = None
        self._pieces: Iterator[Piece] = iter(())
        self._is_paused = False
        self._read = b""
        self._timer: asyncio.Handle | None = None
        self._unanswered = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = transport
        self._deeds.connections += 1
        if self._kind.handshake != "mutual":
            self._deeds.deeds += 1
            return
        transport.write(PREFACE + self._kind.opening())  # type: ignore[attr-defined]
        if not self._kind.reads:
            transport.pause_reading()  # type: ignore[attr-defined]
            # Nor does the kernel take much in our place.
            connection = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE_BYTES)
        if self._kind.pieces is None:
            self._deeds.deeds += 1
            return
        self._pieces = self._kind.pieces(self._call)
        self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        """Say so."""
        if self._timer is not None:
            self._timer.cancel()
        self._deeds.answers["closed"] += 1
        self._ended.set()

    def pause_writing(self) -> None:
        """The server takes no more for now."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_paused = False
        if self._timer is None:
            self._go_on()

    def eof_received(self) -> None:
        """Let it be closed."""

    def data_received(self, data: bytes) -> None:
        """Note what the server says."""
        read = self._read + data
        begin, end = 0, len(read)
        while end - begin >= 9:
            high, low, kind, flags, _ = FRAME.unpack_from(read, begin)
            length = (high << 8) + low
            if end - begin - 9 < length:
                break
            self._note(kind, flags, read[begin + 9 : begin + 9 + length])
            begin += 9 + length
        self._read = read[begin:]

    def close(self) -> None:
        """Go away without a word."""
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self) -> None:
        self._timer = None
        if self._transport.is_closing():
            return
        if not self._kind.reads and self._has_ended():
            self._transport.abort()
            return
        for _ in range(WRITTEN_AT_ONCE):
            if self._is_paused or self._unanswered > 0:
                return
            piece = next(self._pieces, None)
            if piece is None:
                return
            self._transport.write(piece[0])
            self._deeds.bytes_sent += len(piece[0])
            self._deeds.deeds += piece[1]
            if self._kind.awaits_answers:
                self._unanswered += piece[1]
            if self._kind.pause_seconds:
                break
        # Others of this process have their turn first.
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._kind.pause_seconds, self._go_on)

    def _has_ended(self) -> bool:
        """Whether the server has closed the connection, as the kernel knows.

        asyncio never says so to who does not read TLS, and drops what is written from then on.
        """
        connection = self._transport.get_extra_info("socket")
        (state,) = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return bool(state != TCP_ESTABLISHED)

    def _answered(self) -> None:
        if self._unanswered:
            self._unanswered -= 1
            if not self._unanswered and self._timer is None:
                self._go_on()

    def _note(self, kind: int, flags: int, payload: bytes) -> None:
        answers = self._deeds.answers
        if kind == RESET or (kind == HEADERS and flags & END_STREAM):
            self._answered()
        if kind == GOAWAY:
            why, said = int.from_bytes(payload[4:8]), payload[8:].decode("ascii", "replace")
            answers[f"GOAWAY {why} {said}".strip()] += 1
        elif kind == RESET:
            answers[f"RST_STREAM {int.from_bytes(payload)}"] += 1
        elif kind == HEADERS and flags & END_STREAM:
            code, text, _ = status_of(payload)
            answers[f"status {code} {text.decode('utf-8', 'replace')[:60]}".strip()] += 1
        elif kind == PING and flags & ACK:
            answers["PING acknowledged"] += 1
        elif kind == SETTINGS and flags & ACK:
            answers["SETTINGS acknowledged"] += 1


def tls_of(files: CertFiles, handshake: str) -> ssl.SSLContext:
    """How the abuser speaks TLS: with a certificate, or without one."""
    context = ssl.create_default_context(cafile=files.ca_file)
    context.set_alpn_protocols(["h2"])
    if handshake == "mutual":
        context.load_cert_chain(files.cert_file, files.key_file)
    return context


def client_hello(context: ssl.SSLContext) -> bytes:
    """How a handshake begins."""
    outgoing = ssl.MemoryBIO()
    talk = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost")
    try:
        talk.do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise RuntimeError("a handshake needs an answer")


class Abuse:
    """All connections of a kind, while the block runs."""

    def __init__(
        self, kind: Kind, call: Call, port: int, files: CertFiles, address: str = ABUSER
    ) -> None:
        self.deeds = Deeds()
        self._address = address
        self._kind = kind
        self._call = call
        self._port = port
        self._context = tls_of(files, kind.handshake)
        self._hello = client_hello(self._context)
        self._open: set[Abuser] = set()
        self._opening = asyncio.Semaphore(OPENED_AT_ONCE)
        self._tasks: Sequence[asyncio.Task[None]] = ()

    async def __aenter__(self) -> Abuse:
        """Begin."""
        self._tasks = [asyncio.ensure_future(self._one()) for _ in range(self._kind.connections)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all of them at once."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for connection in list(self._open):
            connection.close()

    async def _one(self) -> None:
        while True:
            ended = asyncio.Event()
            abuser = Abuser(self._kind, self._call, self.deeds, ended)
            try:
                async with self._opening, asyncio.timeout(CONNECT_SECONDS):
                    await self._connect(abuser)
            except (OSError, TimeoutError) as error:
                self.deeds.answers[f"not connected: {type(error).__name__}"] += 1
            else:
                self._open.add(abuser)
                self.deeds.open_at_most = max(self.deeds.open_at_most, len(self._open))
                try:
                    await ended.wait()
                finally:
                    if ended.is_set():
                        self._open.discard(abuser)
            if not self._kind.comes_again:
                return
            await asyncio.sleep(AGAIN_SECONDS)

    async def _connect(self, abuser: Abuser) -> None:
        loop = asyncio.get_running_loop()
        secure = self._kind.handshake in ("mutual", "none")
        transport, _ = await loop.create_connection(
            lambda: abuser,
            *("127.0.0.1", self._port),
            local_addr=(self._address, 0),
            ssl=self._context if secure else None,
            server_hostname="localhost" if secure else None,
        )
        if self._kind.handshake == "half":
            transport.write(self._hello)
