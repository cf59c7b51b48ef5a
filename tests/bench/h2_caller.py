"""gRPC calls over HTTP/2, at a tenth of what grpc.aio costs its caller: made of bytes at hand.

A load generator that shares a machine with what it measures must cost little. This speaks as much
of HTTP/2 (RFC 9113) as unary calls need: no header compression either way, all windows wide open
towards us; what the server bounds (streams, its windows) is kept to, and calls wait here for it, as
they do in a channel of gRPC.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from zikao_kit.config import CertFiles

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
FRAME = struct.Struct(">HBBBI")
DEADLINE_EXCEEDED, UNAVAILABLE = 4, 14
REFUSED_STREAM = 7
_WIDE = 2**31 - 1
_SETTING = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")
_FIRST_WINDOW = 65_535

# What was sent with a call, its code, the text of its status (the reason), and the wait in seconds
# that the service asks for.
Ended = Callable[[object, int, bytes, float], None]


@dataclass(slots=True)
class _Call:
    head: bytes
    body: bytes
    tag: object
    deadline: float


class Connection(asyncio.Protocol):
    """One connection; `ended` hears of each call, once, `leaving` when another one is needed.

    Servers let go of connections from time to time. What was begun is answered nevertheless.
    """

    def __init__(self, ended: Ended, leaving: Callable[[Connection], None]) -> None:
        self._ended = ended
        self._leaving = leaving
        self._is_leaving = False
        self._transport: asyncio.Transport | None = None
        self._read = b""
        self._out: list[bytes] = []
        self._open: dict[int, _Call] = {}
        self._waiting: deque[_Call] = deque()
        self._next_stream = 1
        self._most_streams = _WIDE
        self._window = _FIRST_WINDOW
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def unanswered(self) -> int:
        """Calls that were begun here, those that wait here among them."""
        return len(self._open) + len(self._waiting)

    def send(self, head: bytes, body: bytes, tag: object, timeout_seconds: float) -> None:
        """Begin a call; `head` is what `headers` made. It goes out with `flush`."""
        call = _Call(head, body, tag, time.monotonic() + timeout_seconds)
        if self._waiting or not self._has_room(call):
            self._waiting.append(call)
        else:
            self._begin(call)

    def flush(self) -> None:
        """Write what was begun."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def hand_over(self, to: Connection) -> None:
        """Let another connection begin what waits here."""
        to._waiting.extend(self._waiting)
        self._waiting.clear()
        to._begin_waiting()
        to.flush()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are, and how much we take."""
        self._transport = transport  # type: ignore[assignment]
        ours = _SETTING.pack(1, 0) + _SETTING.pack(2, 0) + _SETTING.pack(4, _WIDE)
        self._out += [PREFACE, _frame(SETTINGS, 0, 0, ours)]
        self._out.append(_frame(WINDOW_UPDATE, 0, 0, _NUMBER.pack(_WIDE - _FIRST_WINDOW)))
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever has no answer gets none; what waits for another connection goes on to wait."""
        self._transport = None
        lost = list(self._open.values())
        self._open.clear()
        if not self._is_leaving:
            lost += self._waiting
            self._waiting.clear()
        for call in lost:
            self._ended(call.tag, UNAVAILABLE, b"connection lost", 0.0)

    def data_received(self, data: bytes) -> None:
        """Take whole frames."""
        read = self._read + data if self._read else data
        begin, end = 0, len(read)
        while end - begin >= 9:
            high, low, kind, flags, stream = FRAME.unpack_from(read, begin)
            length = (high << 8) + low
            if end - begin - 9 < length:
                break
            self._take(kind, flags, stream, read[begin + 9 : begin + 9 + length])
            begin += 9 + length
        self._read = read[begin:]
        self._begin_waiting()
        self.flush()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS and flags & END_STREAM:
            self._end(stream, *_status_of(payload))
        elif kind == RESET:
            self._reset(stream, _NUMBER.unpack(payload)[0])
        elif kind == SETTINGS and not flags & ACK:
            self._settle(payload)
        elif kind == PING and not flags & ACK:
            self._out.append(_frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._window += _NUMBER.unpack(payload)[0]
        elif kind == GOAWAY:
            self._leave(_NUMBER.unpack_from(payload)[0])

    def _leave(self, last_stream: int) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._leaving(self)
        for stream in [each for each in self._open if each > last_stream]:
            self._end(stream, UNAVAILABLE, b"went away", 0.0)

    def _settle(self, payload: bytes) -> None:
        for name, value in _SETTING.iter_unpack(payload):
            if name == 3:
                self._most_streams = value
        self._out.append(_frame(SETTINGS, ACK, 0, b""))
        if not self.ready.done():
            self.ready.set_result(None)

    def _reset(self, stream: int, why: int) -> None:
        if why == REFUSED_STREAM and stream in self._open:
            # It counts streams that are over for us already. Channels try again, too.
            self._waiting.appendleft(self._open.pop(stream))
            self._most_streams = max(1, self._most_streams - 1)
        else:
            self._end(stream, UNAVAILABLE, b"reset", 0.0)

    def _end(self, stream: int, code: int, message: bytes, pause: float) -> None:
        call = self._open.pop(stream, None)
        if call is not None:
            self._ended(call.tag, code, message, pause)

    def _has_room(self, call: _Call) -> bool:
        is_within = len(self._open) < self._most_streams and self._window >= len(call.body) + 5
        return is_within and not self._is_leaving

    def _begin_waiting(self) -> None:
        while self._waiting and self._has_room(self._waiting[0]):
            call = self._waiting.popleft()
            if call.deadline > time.monotonic():
                self._begin(call)
            else:
                self._ended(call.tag, DEADLINE_EXCEEDED, b"waited in the channel", 0.0)

    def _begin(self, call: _Call) -> None:
        stream = self._next_stream
        self._next_stream += 2
        remaining_ms = max(1, round((call.deadline - time.monotonic()) * 1000))
        head = call.head + literal(b"grpc-timeout", b"%dm" % remaining_ms)
        body = b"\0" + _NUMBER.pack(len(call.body)) + call.body
        self._out.append(_frame(HEADERS, END_HEADERS, stream, head))
        self._out.append(_frame(DATA, END_STREAM, stream, body))
        self._window -= len(body)
        self._open[stream] = call


def headers(path: str, metadata: Sequence[tuple[str, str]]) -> bytes:
    """The header block of a call, but for its deadline (RFC 7541; nothing is indexed)."""
    block = b"\x83\x87" + b"\x04" + _text(path.encode()) + b"\x01" + _text(b"localhost")
    block += literal(b"te", b"trailers") + literal(b"content-type", b"application/grpc")
    for key, value in metadata:
        block += literal(key.encode(), value.encode())
    return block


def literal(key: bytes, value: bytes) -> bytes:
    """One header."""
    return b"\0" + _text(key) + _text(value)


async def connect(
    port: int, files: CertFiles, ended: Ended, leaving: Callable[[Connection], None]
) -> Connection:
    """Open a connection to this machine and wait until it may be used."""
    context = ssl.create_default_context(cafile=files.ca_file)
    context.load_cert_chain(files.cert_file, files.key_file)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(
        lambda: Connection(ended, leaving), "localhost", port, ssl=context
    )
    await connection.ready
    return connection


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    length = len(payload)
    return FRAME.pack(length >> 8, length & 255, kind, flags, stream) + payload


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, length = len(text) - 127, b"\x7f"
    while rest >= 128:
        length += bytes((rest & 127 | 128,))
        rest >>= 7
    return length + bytes((rest,)) + text


def _status_of(block: bytes) -> tuple[int, bytes, float]:
    code = int(_value(block, b"grpc-status") or b"2")
    if not code:
        return 0, b"", 0.0
    pause = float(_value(block, b"grpc-retry-pushback-ms") or b"0") / 1000
    return code, _value(block, b"grpc-message"), pause


def _value(block: bytes, key: bytes) -> bytes:
    """Of a header as it stands: the server was told to keep no table of them."""
    found = block.find(key)
    if found < 0:
        return b""
    begin = found + len(key)
    length = block[begin]
    return block[begin + 1 : begin + 1 + length]
