"""The inner half of a call: request messages read and checked, responses written.

Parsing and serialising happen in here and not in gRPC: a request that cannot be
parsed is then INVALID_REQUEST and not gRPC's UNKNOWN with the exception's text,
and one that is not let in is not parsed at all.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.message import DecodeError

from zikao_kit.admission import Slot
from zikao_kit.context import current_actor, current_call
from zikao_kit.errors import INVALID_REQUEST, DomainError, FieldProblem
from zikao_kit.interceptors.deadline import ended_after
from zikao_kit.interceptors.guard import Context, Guard
from zikao_kit.message_values import path_of_nul, path_of_wrong_time
from zikao_kit.serialized import Serialized
from zikao_kit.valid_contents import ValidContents
from zikao_kit.validation import require_valid

T = TypeVar("T")


def guarded(guard: Guard, handler: grpc.RpcMethodHandler[Any, Any]) -> Any:
    """Wrap one method's handler, once, at the start of a server.

    Raises TypeError for a method that is not a coroutine (one response) or an
    asynchronous generator (a stream): also for one the servicer does not implement.
    """
    method = _GuardedMethod(guard, handler)
    work = guard.handling(method.stream if handler.response_streaming else method.answer)
    if handler.request_streaming and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(work)
    if handler.request_streaming:
        return grpc.stream_unary_rpc_method_handler(work)
    if handler.response_streaming:
        return grpc.unary_stream_rpc_method_handler(work)
    return grpc.unary_unary_rpc_method_handler(work)


class _GuardedMethod:
    def __init__(self, guard: Guard, handler: Any) -> None:
        self._guard = guard
        self._metrics = guard.metrics
        self._scoped = guard.policy.scope_of is not None
        self._max_request_kib = guard.policy.max_request_kib
        self._judges_parts = guard.policy.judges_parts
        # An operator's session file holds thousands of values, and needs to hear of every bad one.
        self._trusted = guard.policy.for_services_only
        self._valid = ValidContents(guard.policy.request)
        self._parse = handler.request_deserializer
        self._serializer = handler.response_serializer
        self._behaviour = _behaviour_of(handler, guard.policy.full_name)
        self._request_of = self._read_each if handler.request_streaming else self._read

    async def answer(self, incoming: Any, context: Context, slot: Slot | None) -> bytes:
        """Handle a call with one response."""
        response = await self._behaviour(self._request_of(incoming, slot), context)
        return self._serialize(response)

    async def stream(self, incoming: Any, context: Context, slot: Slot | None) -> None:
        """Handle a call with a stream of responses."""
        requests = self._request_of(incoming, slot)
        async with aclosing(self._behaviour(requests, context)) as responses:
            async for response in responses:
                self._guard.identify_again()
                await _apart(slot, self._write(context, self._serialize(response)))
                self._note(0)  # the reader says that there is room again

    def _note(self, size: int) -> None:
        if (call := current_call()) is not None:
            call.shown_bytes += self._guard.seen.note_message(call.peer, size)

    def _serialize(self, response: Any) -> bytes:
        self._metrics.sent += 1
        if type(response) is Serialized:
            return response.body
        serialized: bytes = self._serializer(response)
        return serialized

    async def _write(self, context: Context, part: bytes) -> None:
        async with ended_after(self._guard.max_write_seconds):
            await context.write(part)

    async def _read_each(
        self, incoming: AsyncIterator[bytes], slot: Slot | None
    ) -> AsyncIterator[Any]:
        index = 0
        while (raw := await _apart(slot, anext(incoming, None))) is not None:
            self._note(len(raw))
            self._guard.identify_again()
            try:
                request = self._read(raw)
            except DomainError as error:
                error.metadata["message_index"] = str(index)
                raise
            yield request
            index += 1

    def _read(self, raw: bytes, _: Slot | None = None) -> Any:
        self._metrics.received += 1
        if len(raw) > self._max_request_kib * 1024:
            raise _invalid("", f"请求不能超过{self._max_request_kib}KiB")
        try:
            request = self._parse(raw)
        except DecodeError:
            raise _invalid("", "请求无法解析") from None
        if self._scoped:
            self._guard.policy.check_scope(current_actor(), request)
        if raw not in self._valid:
            self._require_valid(request, raw)
            self._valid.add(raw)
        return request

    def _require_valid(self, request: Any, raw: bytes) -> None:
        """Raise INVALID_REQUEST for what is wrong with its content."""
        require_valid(request, of_any_size=self._trusted)
        if b"\0" in raw and not self._judges_parts:
            _require(path_of_nul(request), "不能含有空字符")
        if self._guard.policy.may_hold_times:
            _require(path_of_wrong_time(request), "时间不正确")


async def _apart(slot: Slot | None, waited: Awaitable[T]) -> T:
    """Await what the caller has to do, not holding a slot meanwhile."""
    return await (waited if slot is None else slot.without(waited))


def _require(wrong_path: str | None, sentence: str) -> None:
    if wrong_path is not None:
        raise _invalid(wrong_path, sentence)


def _invalid(field: str, sentence: str) -> DomainError:
    return DomainError(INVALID_REQUEST, fields=[FieldProblem(field, sentence)])


def _behaviour_of(handler: Any, full_name: str) -> Any:
    kind = ("stream" if handler.request_streaming else "unary") + "_"
    kind += "stream" if handler.response_streaming else "unary"
    behaviour = getattr(handler, kind)
    is_right = (
        inspect.isasyncgenfunction(behaviour)
        if handler.response_streaming
        else inspect.iscoroutinefunction(behaviour)
    )
    if not is_right:
        needed = "an asynchronous generator" if handler.response_streaming else "a coroutine"
        raise TypeError(f"{full_name} is not implemented as {needed}")
    return behaviour
