"""gRPC calls over HTTP/2 at a fraction of what a channel of grpc.aio costs its caller.

A load generator that shares a machine with what it measures must cost little. This speaks as much
of HTTP/2 (RFC 9113) as unary calls need, to servers and to proxies before them: nothing is
compressed towards them, and they are told to keep no table either, so that the same header block
always means the same (`hpack` reads each once). What the server bounds (streams, windows) is kept
to, and calls wait here for it as they do in a channel.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote

from hpack import Decoder, HPACKError
from zikao_kit.config import CertFiles

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32
FRAME = struct.Struct(">HBBBI")
OK, UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE = 0, 2, 4, 13, 14
REFUSED_STREAM, CANCEL = 7, 8
_WIDE = 2**31 - 1
_SETTING = struct.Struct(">HI")
_NUMBER = struct.Struct(">I")
_FIRST_WINDOW = 65_535
_PRIORITY_BYTES = 5
# As gRPC maps them (doc/http-grpc-status-mapping.md of its repository).
_CODE_OF_HTTP = {"400": INTERNAL, "401": 16, "403": 7, "404": 12} | dict.fromkeys(
    ("429", "502", "503", "504"), UNAVAILABLE
)

# The code, what was said (the answer of OK, else the text of the status), and the wait in seconds
# that the service asks for.
Ended = Callable[[int, bytes, float], None]


@dataclass(frozen=True)
class Address:
    """Where a service listens, by which name it proves who it is, and who we are."""

    host: str
    port: int
    server_name: str
    files: CertFiles


@dataclass(slots=True)
class _Call:
    head: bytes
    body: bytes
    ended: Ended
    deadline: float
    answer: bytes = b""


class Connection(asyncio.Protocol):
    """One connection; `leaving` hears once that another one is needed.

    Servers let go of connections from time to time. What was begun is answered nevertheless.
    """

    def __init__(self, leaving: Callable[[Connection], None]) -> None:
        self._leaving = leaving
        self._is_leaving = False
        self._transport: asyncio.Transport | None = None
        self._read = b""
        self._out: list[bytes] = []
        self._open: dict[int, _Call] = {}
        self._waiting: deque[_Call] = deque()
        self._block: tuple[int, int, bytes] | None = None
        self._next_stream = 1
        # What is allowed, and what is tried now: fewer after a refusal.
        self._allowed_streams = self._most_streams = _WIDE
        self._window, self._stream_window = _FIRST_WINDOW, _FIRST_WINDOW
        self._taken = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def unanswered(self) -> int:
        """Calls that were begun here, those that wait here among them."""
        return len(self._open) + len(self._waiting)

    def send(self, head: bytes, body: bytes, ended: Ended, timeout_seconds: float) -> None:
        """Begin a call; `head` is what `headers` made. It goes out with `flush`.

        `ended` hears of it once. All calls of a connection have the same timeout.
        """
        call = _Call(head, body, ended, time.monotonic() + timeout_seconds)
        if self._waiting or not self._has_room(call):
            self._waiting.append(call)
        else:
            self._begin(call)

    def flush(self) -> None:
        """Write what was begun."""
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()

    def expire(self, now: float) -> None:
        """End the calls that were not answered in time; servers that are frozen do not."""
        while self._open:
            stream, call = next(iter(self._open.items()))
            if call.deadline > now:
                break
            self._out.append(frame(RESET, 0, stream, _NUMBER.pack(CANCEL)))
            self._end(stream, DEADLINE_EXCEEDED, b"not answered", 0.0)
        while self._waiting and self._waiting[0].deadline <= now:
            self._waiting.popleft().ended(DEADLINE_EXCEEDED, b"waited in the channel", 0.0)
        self.flush()

    def hand_over(self, to: Connection) -> None:
        """Let another connection begin what waits here."""
        to._waiting.extend(self._waiting)
        self._waiting.clear()
        to._begin_waiting()
        to.flush()

    @property
    def is_lost(self) -> bool:
        """Whether nothing that was begun here can be answered any more."""
        return self._transport is None

    def give_up(self) -> None:
        """There is no other connection: tell those who wait here."""
        waiting = list(self._waiting)
        self._waiting.clear()
        for call in waiting:
            call.ended(UNAVAILABLE, b"no connection", 0.0)

    def close(self) -> None:
        """End it; what was not answered is told so. Nobody needs another one for it."""
        self._is_leaving = True
        self.give_up()
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say who we are, and how much we take."""
        self._transport = transport  # type: ignore[assignment]
        ours = _SETTING.pack(1, 0) + _SETTING.pack(2, 0) + _SETTING.pack(4, _WIDE)
        self._out += [PREFACE, frame(SETTINGS, 0, 0, ours)]
        self._out.append(frame(WINDOW_UPDATE, 0, 0, _NUMBER.pack(_WIDE - _FIRST_WINDOW)))
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever has no answer gets none; what waits for another connection goes on to wait."""
        self._transport = None
        lost = list(self._open.values())
        self._open.clear()
        if not self.ready.done():
            # Nobody uses it yet: whoever wanted it tries again.
            self._is_leaving = True
            self.ready.set_exception(error or ConnectionError("closed before it was ready"))
        if not self._is_leaving:
            lost += self._waiting
            self._waiting.clear()
            self._leave()
        for call in lost:
            call.ended(UNAVAILABLE, b"connection lost", 0.0)

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
        if kind == DATA:
            self._take_answer(flags, stream, payload)
        elif kind in (HEADERS, CONTINUATION):
            self._take_headers(kind, flags, stream, payload)
        elif kind == RESET:
            self._reset(stream, _NUMBER.unpack(payload)[0])
        elif kind == SETTINGS and not flags & ACK:
            self._settle(payload)
        elif kind == PING and not flags & ACK:
            self._out.append(frame(PING, ACK, 0, payload))
        elif kind == WINDOW_UPDATE and not stream:
            self._window += _NUMBER.unpack(payload)[0]
        elif kind == GOAWAY:
            self._leave()
            last_stream = _NUMBER.unpack_from(payload)[0]
            for each in [each for each in self._open if each > last_stream]:
                self._end(each, UNAVAILABLE, b"went away", 0.0)

    def _take_answer(self, flags: int, stream: int, payload: bytes) -> None:
        self._taken += len(payload)
        if self._taken > _WIDE // 2:
            self._out.append(frame(WINDOW_UPDATE, 0, 0, _NUMBER.pack(self._taken)))
            self._taken = 0
        if stream in self._open:
            self._open[stream].answer += _without_padding(flags, payload)
        if flags & END_STREAM:
            self._end(stream, INTERNAL, b"answered without a status", 0.0)

    def _take_headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == HEADERS:
            payload = _without_padding(flags, payload)
            if flags & PRIORITY:
                payload = payload[_PRIORITY_BYTES:]
            first_flags, block = flags, payload
        elif self._block is not None:
            _, first_flags, before = self._block
            block = before + payload
        else:
            return
        if not flags & END_HEADERS:
            self._block = (stream, first_flags, block)
            return
        self._block = None
        if first_flags & END_STREAM:
            self._end(stream, *status_of(block))

    def _leave(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._leaving(self)

    def _settle(self, payload: bytes) -> None:
        for name, value in _SETTING.iter_unpack(payload):
            if name == 3:
                self._most_streams = self._allowed_streams = value
            elif name == 4:
                self._stream_window = value
        self._out.append(frame(SETTINGS, ACK, 0, b""))
        if not self.ready.done():
            self.ready.set_result(None)

    def _reset(self, stream: int, why: int) -> None:
        if why == REFUSED_STREAM and stream in self._open and not self._is_leaving:
            # It counts streams that are over for us already. Channels try again, too.
            self._waiting.appendleft(self._open.pop(stream))
            self._most_streams = max(1, len(self._open))
        else:
            self._end(stream, UNAVAILABLE, b"reset", 0.0)

    def _end(self, stream: int, code: int, text: bytes, pause: float) -> None:
        call = self._open.pop(stream, None)
        if call is not None:
            self._most_streams = min(self._allowed_streams, self._most_streams + 1)
            # Before each message: one byte for compression, which we do not take, and its length.
            call.ended(code, text if code else call.answer[5:], pause)

    def _has_room(self, call: _Call) -> bool:
        length = len(call.body) + 5
        is_within = self._window >= length and self._stream_window >= length
        return is_within and len(self._open) < self._most_streams and not self._is_leaving

    def _begin_waiting(self) -> None:
        while self._waiting and self._has_room(self._waiting[0]):
            self._begin(self._waiting.popleft())

    def _begin(self, call: _Call) -> None:
        stream = self._next_stream
        self._next_stream += 2
        remaining_ms = max(1, round((call.deadline - time.monotonic()) * 1000))
        head = call.head + literal(b"grpc-timeout", b"%dm" % remaining_ms)
        body = b"\0" + _NUMBER.pack(len(call.body)) + call.body
        self._out.append(frame(HEADERS, END_HEADERS, stream, head))
        self._out.append(frame(DATA, END_STREAM, stream, body))
        self._window -= len(body)
        self._open[stream] = call


def headers(path: str, authority: str, metadata: Sequence[tuple[str, str]]) -> bytes:
    """The header block of a call, but for its deadline (RFC 7541; nothing is indexed)."""
    block = b"\x83\x87" + b"\x04" + _text(path.encode()) + b"\x01" + _text(authority.encode())
    block += literal(b"te", b"trailers") + literal(b"content-type", b"application/grpc")
    for key, value in metadata:
        block += literal(key.encode(), value.encode())
    return block


def literal(key: bytes, value: bytes) -> bytes:
    """One header."""
    return b"\0" + _text(key) + _text(value)


async def connect(address: Address, leaving: Callable[[Connection], None]) -> Connection:
    """Open a connection and wait until it may be used; raises OSError (ssl.SSLError is one)."""
    context = ssl.create_default_context(cafile=address.files.ca_file)
    context.load_cert_chain(address.files.cert_file, address.files.key_file)
    context.set_alpn_protocols(["h2"])
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(leaving),
        *(address.host, address.port),
        ssl=context,
        server_hostname=address.server_name,
    )
    try:
        await connection.ready
    except BaseException:
        connection.close()
        raise
    return connection


# Nearly all that a service says by headers it says again and again.
@lru_cache(maxsize=1024)
def status_of(block: bytes) -> tuple[int, bytes, float]:
    """Code, text and pause in seconds of trailers."""
    decoder = Decoder()
    decoder.header_table_size = decoder.max_allowed_table_size = 0
    try:
        said = dict(decoder.decode(block, raw=True))
    except HPACKError as error:
        return INTERNAL, str(error).encode(), 0.0
    if b"grpc-status" not in said:
        # Of a proxy, or of something that speaks no gRPC.
        http = said.get(b":status", b"none").decode()
        return _CODE_OF_HTTP.get(http, UNKNOWN), f"HTTP status {http}".encode(), 0.0
    code = int(said[b"grpc-status"])
    text = unquote(said.get(b"grpc-message", b"").decode("ascii", "replace")).encode()
    return code, text, max(0, int(said.get(b"grpc-retry-pushback-ms", b"0"))) / 1000


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """One frame (RFC 9113, section 4.1)."""
    length = len(payload)
    return FRAME.pack(length >> 8, length & 255, kind, flags, stream) + payload


def _without_padding(flags: int, payload: bytes) -> bytes:
    return payload[1 : len(payload) - payload[0]] if flags & PADDED else payload


def _text(text: bytes) -> bytes:
    if len(text) < 127:
        return bytes((len(text),)) + text
    rest, length = len(text) - 127, b"\x7f"
    while rest >= 128:
        length += bytes((rest & 127 | 128,))
        rest >>= 7
    return length + bytes((rest,)) + text
