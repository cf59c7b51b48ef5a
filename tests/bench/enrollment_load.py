"""The load of bench_enrollment, a process of its own: calls that were made ready before.

What it needs comes pickled on stdin; it prints what it measured as JSON. It serialises nothing
and parses nothing while the clock runs: it must cost less a call than the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from support.certificates import channel_credentials
from zikao.enrollment.v1 import portal_service_pb2 as portal
from zikao_kit.config import CertFiles
from zikao_kit.error_table import reason_of

CALL_SECONDS = 20.0
STREAM = "/zikao.enrollment.v1.PortalService/SubmitEnrollments"
_OPTIONS = [
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),
    # Else channels to one place share a connection.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class Load:
    """Requests as they go over the wire; `tokens[i]` is shown with the i-th, "" for none.

    `method` STREAM: each request is a message of the one stream, and carries its tokens itself.
    """

    port: int
    files: dict[str, str]
    method: str
    requests: Sequence[bytes]
    tokens: Sequence[str] = ()
    has_id: bool = False
    at_once: int = 200
    connections: int = 16
    cpu: int | None = None


@dataclass
class Measured:
    """Answers by reason ("OK" for none), how long they took, and what that cost this process."""

    seconds: float = 0.0
    cpu_seconds: float = 0.0
    answers: Mapping[str, int] = field(default_factory=dict)


async def run(load: Load) -> Measured:
    """Do it on connections of its own, which are open before the clock starts."""
    async with AsyncExitStack() as opened:
        channels = [await opened.enter_async_context(_channel(load)) for _ in _connections(load)]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        measured = Measured()
        begun, begun_cpu = time.perf_counter(), time.process_time()
        answers = await (
            _stream(channels[0], load) if load.method == STREAM else _calls(channels, load)
        )
        measured.seconds = time.perf_counter() - begun
        measured.cpu_seconds = time.process_time() - begun_cpu
        measured.answers = Counter([reason async for reason in _reasons(answers)])
    return measured


def _connections(load: Load) -> range:
    return range(1 if load.method == STREAM else load.connections)


def _channel(load: Load) -> grpc.aio.Channel:
    files = CertFiles(**{name: Path(path) for name, path in load.files.items()})
    return grpc.aio.secure_channel(f"localhost:{load.port}", channel_credentials(files), _OPTIONS)


async def _calls(channels: Sequence[grpc.aio.Channel], load: Load) -> list[Any]:
    """Unary calls, so many at once; to be looked at later: a refusal that is raised costs more."""
    methods: list[Any] = [channel.unary_unary(load.method, None, None) for channel in channels]
    # As the services of an installation do, which know their calls by it; the echo gets none.
    ids = (("x-request-id", "bench-enrollment"),) if load.tokens or load.has_id else None
    bearers = [(("authorization", f"Bearer {token}"), *(ids or ())) for token in load.tokens]
    todo = enumerate(load.requests)
    made: list[Any] = []

    async def work(call: Any) -> None:
        for index, request in todo:
            bearer = bearers[index] if bearers else ids
            made.append(begun := call(request, timeout=CALL_SECONDS, metadata=bearer))
            await begun.code()

    await asyncio.gather(*(work(methods[i % len(methods)]) for i in range(load.at_once)))
    return made


async def _stream(channel: grpc.aio.Channel, load: Load) -> list[Any]:
    """One stream; the messages of its answers."""

    async def messages() -> AsyncIterator[bytes]:
        for request in load.requests:
            yield request

    return [answer async for answer in channel.stream_stream(load.method, None, None)(messages())]


async def _reasons(answers: Sequence[Any]) -> AsyncIterator[str]:
    for answer in answers:
        if isinstance(answer, bytes):
            for result in portal.SubmitEnrollmentsResponse.FromString(answer).results:
                yield result.error.reason or "OK"
            continue
        try:
            await answer
            yield "OK"
        except grpc.aio.AioRpcError as error:
            yield reason_of(error) or error.code().name


def main() -> None:
    """Read, pin, run, print."""
    load: Load = pickle.load(sys.stdin.buffer)  # from bench_enrollment alone
    if load.cpu is not None:
        os.sched_setaffinity(0, {load.cpu})
    measured = asyncio.run(run(load))
    sys.stdout.write(json.dumps(vars(measured)))


if __name__ == "__main__":
    main()
