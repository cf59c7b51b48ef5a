"""What tests of every service need: ports, clocks, waiting, and somebody who calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from inspect import isawaitable
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.typing import EventDict
from support.refusals import note
from zikao_ctl.ports import claimed_ports
from zikao_kit.clock import OFFSET_RECHECK_SECONDS, write_offset
from zikao_kit.error_table import problem_of, reason_of
from zikao_kit.errors import DomainError

TIMEOUT_SECONDS = 20.0
TICK_SECONDS = 0.02
# Whoever came before a service listens does not wait a second before coming again.
RECONNECTING = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
_CLAIMS = ExitStack()


@dataclass
class Caller:
    """Somebody with a certificate (the channel's), and perhaps an access token."""

    channel: grpc.aio.Channel
    token: str = ""
    metadata: Sequence[tuple[str, str]] = ()

    async def call(self, request: Any) -> Any:
        """Call the method whose request it is; raises grpc.aio.AioRpcError."""
        return await self.start(request, timeout=TIMEOUT_SECONDS)

    def start(self, request: Any, timeout: float | None = None) -> Any:
        """Begin the call: a future, or the answers of a subscription."""
        method = method_of(request.DESCRIPTOR)
        open_call = (
            self.channel.unary_stream if method.server_streaming else self.channel.unary_unary
        )
        call: Any = open_call(
            f"/{method.containing_service.full_name}/{method.name}",
            type(request).SerializeToString,
            GetMessageClass(method.output_type).FromString,
        )
        bearer = (("authorization", f"Bearer {self.token}"),) if self.token else ()
        return call(request, timeout=timeout, metadata=(*bearer, *self.metadata))

    async def refused(self, request: Any, timeout: float | None = TIMEOUT_SECONDS) -> DomainError:
        """Call what must be refused, a stream before its first answer; return the error."""
        call = self.start(request, timeout)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await (call.read() if method_of(request.DESCRIPTOR).server_streaming else call)
        reason = reason_of(caught.value)
        assert reason is not None, f"refused, but not by the service: {caught.value}"
        note(method_of(request.DESCRIPTOR), reason)
        return problem_of(caught.value)

    def with_token(self, token: str) -> Caller:
        """The same certificate with an access token."""
        return Caller(self.channel, token, self.metadata)

    def showing(self, key: str, value: str) -> Caller:
        """The same with something in the metadata of all calls."""
        return Caller(self.channel, self.token, (*self.metadata, (key, value)))


def method_of(request: Descriptor) -> MethodDescriptor:
    """The one method that takes such requests (contracts give each method its own)."""
    services = request.file.services_by_name.values()
    (method,) = (m for service in services for m in service.methods if m.input_type == request)
    return method


def new_id() -> str:
    """An id for a request."""
    return str(uuid4())


def free_port() -> int:
    """A port that is free now, and that nobody else is given until this process ends."""
    return _CLAIMS.enter_context(claimed_ports(["test"], None, {}))["test"]


async def until(found: Callable[[], Any], seconds: float = TIMEOUT_SECONDS) -> Any:
    """Ask `found` (a function or a coroutine's) again until its answer is true; return that.

    Raises TimeoutError when it never is.
    """
    async with asyncio.timeout(seconds):
        while True:
            answer = found()
            if isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            await asyncio.sleep(TICK_SECONDS)


async def until_said(lines: list[EventDict], event: str) -> None:
    """Wait until one of the captured log lines says `event`."""
    await until(lambda: any(line["event"] == event for line in lines))


async def until_serving(channel: grpc.aio.Channel, task: asyncio.Task[None] | None = None) -> None:
    """Wait until the service is SERVING; raises what has ended the `task` that runs it."""
    health = health_pb2_grpc.HealthStub(channel)

    async def serving() -> bool:
        if task is not None and task.done():
            await task
            raise AssertionError("the service has ended before it served")
        try:
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=1)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    await until(serving)


def set_clock(clock_file: Path, at: datetime) -> None:
    """Have all clocks that begin to read `clock_file` from now on go so."""
    write_offset(clock_file, (at - datetime.now(UTC)).total_seconds())


async def move_clock(clock_file: Path, at: datetime) -> None:
    """Move all clocks that read `clock_file`, and wait until it has been seen."""
    set_clock(clock_file, at)
    await asyncio.sleep(OFFSET_RECHECK_SECONDS + 0.01)
