"""The outer half of a call: who, when, whether at all; and how it ends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar, cast
from uuid import uuid4

import grpc
import structlog

from zikao_kit import tracing
from zikao_kit.admission import Admission, Slot
from zikao_kit.callers import Callers, NotListedError
from zikao_kit.context import (
    ADMISSION_PASS_KEY,
    PRIORITY_KEY,
    REQUEST_ID_KEY,
    TIMEOUT_KEY,
    Call,
    current_call,
    set_current_call,
)
from zikao_kit.error_table import ErrorTable
from zikao_kit.errors import INTERNAL, TOKEN_INVALID, DomainError, forget_frames
from zikao_kit.interceptors.access_log import AccessLog
from zikao_kit.interceptors.deadline import abort, age_of, patience_of, within
from zikao_kit.interceptors.identity import identify
from zikao_kit.interceptors.open_calls import OpenCalls
from zikao_kit.ledger import CALL_BYTES, Seen
from zikao_kit.logs import mask_numbers
from zikao_kit.metrics import SERVED
from zikao_kit.policy import MethodPolicy, Priority
from zikao_kit.tls import PeerNames
from zikao_kit.tokens import Actor, TokenVerifier
from zikao_kit.tracing import TRACEPARENT_KEY, Span, read_traceparent

AUTHORIZATION_KEY = "authorization"

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")
log = structlog.get_logger()
# What callers send ends up in logs and metadata: only what an id looks like is taken.
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{8,64}")
_MILLISECONDS = re.compile(r"[0-9]{1,9}")
_ATTEMPTS_KEY = "grpc-previous-rpc-attempts"
# Whoever takes a call back sooner than anybody changes their mind; a busy process hears of it late.
TAKEN_BACK_SECONDS = 0.2
# Whoever has no more left than this may give up for that.
PATIENCE_SECONDS = 0.5
_LOWERED = {"read": Priority.READ, "print": Priority.PRINT}


@dataclass(frozen=True)
class Gate:
    """What all methods of a server share; `domain` is the service's name in errors."""

    domain: str
    errors: ErrorTable
    names: PeerNames
    verifier: TokenVerifier
    callers: Callers
    admission: Admission
    subscriptions: OpenCalls
    public_subscriptions: OpenCalls
    streams: OpenCalls
    max_call_seconds: float
    max_stream_seconds: float
    max_write_seconds: float
    seen: Seen


# What a method does with the incoming bytes, the call's context and its slot.
Work = Callable[[Any, Context, Slot | None], Awaitable[T]]


class Guard:
    """Lets the calls of one method in, and ends each with a status."""

    def __init__(self, policy: MethodPolicy, gate: Gate, access_log: AccessLog) -> None:
        self.policy = policy
        self._gate = gate
        self.seen = gate.seen
        self._access_log = access_log
        self.metrics = SERVED.of(policy.full_name, policy.grpc_type)
        self._attributes = tracing.rpc_attributes(policy.full_name)
        self._callers = gate.callers.of(policy.service)
        # However many look at what is public, those stay who make the services work together.
        self._subscriptions = (
            gate.subscriptions if policy.for_services_only else gate.public_subscriptions
        )
        self._max_seconds = gate.max_stream_seconds if policy.streams else gate.max_call_seconds

    @property
    def max_write_seconds(self) -> float:
        """How long a part of a stream waits for its reader."""
        return self._gate.max_write_seconds

    def handling(self, work: Work[T]) -> Callable[[Any, Context], Awaitable[T]]:
        """What gRPC calls with what has come and a context: the one way into a method."""
        return partial(Guard._run, self, work)

    async def _run(self, work: Work[T], incoming: Any, context: Context) -> T:
        """Run `work(incoming, context, slot)` for a call that may come in; abort it otherwise.

        Only a stream that ends has a slot, which it leaves while it waits for its caller.
        """
        begun = time.perf_counter()
        call = Call(self.policy.full_name, request_id="")
        set_current_call(call)
        self.metrics.begin()
        span: Span | None = None
        call.peer = context.peer()
        try:
            read_metadata(call, context)
            call.caller = self._gate.names.of(call.peer, context)
            if self._callers is not None:
                self._callers.admit(call.caller, context)
            # What it has brought and no more, and of who may not call at all nothing: else the
            # smallest call would pay for much that nobody sees.
            call.shown_bytes += CALL_BYTES
            self.seen.note(call.peer, call.shown_bytes)
            if type(incoming) is bytes:  # whole by now, whatever becomes of the call
                call.shown_bytes += self.seen.note_message(call.peer, len(incoming))
            if tracing.is_on():
                span = self._begin_span(call)
            if self.policy.long_lived:
                with self._subscriptions.open(call.caller):
                    self._identify(call)
                    answer = await work(incoming, context, None)
            else:
                answer = await self._run_in_time(call, context, work, incoming)
        except (asyncio.CancelledError, grpc.aio.InternalError):
            # The caller has gone, or its deadline has passed: nobody hears an answer.
            self._note_taken_back(call, context.time_remaining(), begun)
            self._close(_code_of_cancelled(context), None, begun, span)
            raise
        except Exception as error:
            code, text, details = self._refusal(call, begun, error, span)
            trailing = (*(context.trailing_metadata() or ()), *details)
            if self.policy.streams:
                await abort(context, code, text, trailing)
                raise
            # As good as to abort, and a fifth of a call cheaper: no answer goes with such a code.
            context.set_code(code)
            context.set_details(text)
            context.set_trailing_metadata(trailing)
            return cast(T, b"")
        self._close(grpc.StatusCode.OK, None, begun, span)
        if not self.policy.streams and not self.policy.long_lived:
            self.seen.unread.hand_over(call.peer, context)
        return answer

    def _run_in_time(
        self, call: Call, context: Context, work: Work[T], incoming: Any
    ) -> Awaitable[T]:
        patience_seconds = patience_of(context.time_remaining())
        if self.policy.streams:
            run = self._run_stream
        elif self.seen.unread.has_taken(call.peer):
            run = self._run_short
        else:
            run = self._run_first
        running = run(call, context, work, incoming, patience_seconds)
        if patience_seconds < self._max_seconds:  # nearly always; the other way costs more
            return running
        return within(self._max_seconds, running)

    async def _run_first(
        self, call: Call, context: Context, work: Work[T], incoming: Any, patience_seconds: float
    ) -> T:
        """Of a connection that has taken no answer so far."""
        first_calls = self.seen.unread.first_calls
        await first_calls.enter(call.peer)
        try:
            patience_seconds = patience_of(context.time_remaining())
            return await self._run_short(call, context, work, incoming, patience_seconds)
        except Exception:
            first_calls.leave(call.peer, room=2)
            raise
        except asyncio.CancelledError:
            first_calls.leave(call.peer)
            raise

    async def _run_short(
        self, call: Call, context: Context, work: Work[T], incoming: Any, patience_seconds: float
    ) -> T:
        admission, priority = self._gate.admission, self._priority_of(call)
        # Before the queue: what a stranger says of his waiting counts for nothing.
        self._identify(call)
        age_seconds = self._age_of(call, patience_seconds)
        await admission.enter(priority, patience_seconds, age_seconds, call.caller)
        served = False
        try:
            answer = await work(incoming, context, None)
            served = True
        except DomainError as refusal:
            served = self._gate.errors.is_service(refusal.reason)
            raise
        finally:
            admission.leave(priority, served=served)
        return answer

    async def _run_stream(
        self, call: Call, context: Context, work: Work[T], incoming: Any, patience_seconds: float
    ) -> T:
        slot = Slot(self._gate.admission, self._priority_of(call))
        self._identify(call)
        await slot.take(patience_seconds, self._age_of(call, patience_seconds), call.caller)
        try:
            with self._gate.streams.open((call.caller, call.actor.role, call.actor.subject)):
                return await work(incoming, context, slot)
        finally:
            slot.leave()

    def _age_of(self, call: Call, patience_seconds: float) -> float:
        """How long the call has waited; 0 where it says more than any call may take."""
        if call.timeout_ms > self._max_seconds * 1000:
            return 0.0
        return age_of(call.timeout_ms, patience_seconds)

    def _priority_of(self, call: Call) -> Priority:
        """The method's own, or the lower one that the caller has asked for."""
        if not call.lowered_to:
            return self.policy.priority
        return max(self.policy.priority, _LOWERED.get(call.lowered_to, self.policy.priority))

    def identify_again(self) -> None:
        """Raise what a new call with the token of the current one would be refused with.

        Before each part of a stream: it outlives neither its token nor its login.
        """
        call = current_call()
        # Where anyone may call, an actor who is none any more does not go on as anonymous.
        if call is None or self._actor_of(call) != call.actor:
            raise DomainError(TOKEN_INVALID)

    def _identify(self, call: Call) -> None:
        call.actor = self._actor_of(call)

    def _actor_of(self, call: Call) -> Actor:
        return identify(self.policy, self._gate.verifier, call.authorization, call.caller)

    def _refusal(
        self, call: Call, begun: float, error: Exception, span: Span | None
    ) -> tuple[grpc.StatusCode, str, Sequence[tuple[str, str | bytes]]]:
        """Close the call with `error`; code, text and trailing metadata of its status."""
        if not isinstance(error, DomainError):
            log.error("unexpected error", exc_info=error)
            error = DomainError(INTERNAL)
        code = self._gate.errors.code(error.reason)
        # Those who may not call at all fill no disk: their list tells of them, once a minute.
        self._close(code, error.reason, begun, span, told=isinstance(error, NotListedError))
        text, trailing = self._gate.errors.trailing(error, call.request_id, self._gate.domain)
        forget_frames(error)
        return code, text, trailing

    def _note_taken_back(self, call: Call, left_seconds: float | None, begun: float) -> None:
        """What is asked and taken back at once has shown nothing: floods do that (rapid reset).

        Not what its caller could wait for no longer.
        """
        was_short = time.perf_counter() - begun < TAKEN_BACK_SECONDS
        if was_short and (left_seconds is None or left_seconds > PATIENCE_SECONDS):
            self.seen.note(call.peer, -call.shown_bytes)

    def _begin_span(self, call: Call) -> Span | None:
        """The span of a call; None for what has no end, and for polling that begins a trace.

        Whether a trace is kept is decided here, except for callers that are trusted with it.
        """
        spans = tracing.spans()
        if spans is None or self.policy.long_lived:
            return None
        if call.traceparent and spans.trusts(call.caller):
            if not tracing.is_sampled(call.traceparent):
                return None
        elif self.policy.polled or not spans.chosen():
            call.traceparent = tracing.left_place(call.traceparent)
            return None
        span = spans.begin(
            self.policy.full_name.removeprefix("/"),
            "server",
            parent=call.traceparent,
            attributes={**self._attributes, "zikao.request_id": call.request_id},
        )
        call.traceparent = span.traceparent
        return span

    def _close(
        self,
        code: grpc.StatusCode,
        reason: str | None,
        begun: float,
        span: Span | None,
        *,
        told: bool = False,
    ) -> None:
        """Count and log how a call ended, where nobody has `told` it already."""
        seconds = time.perf_counter() - begun
        self.metrics.end(code, seconds)
        if not told:
            self._access_log.write(code, reason, seconds)
        if span is not None:
            ended = tracing.ended_attributes(code)
            if reason is not None:
                ended["zikao.reason"] = reason
            is_fault = code in tracing.FAULTS
            span.end((reason or code.name) if is_fault else None, ended)


def read_metadata(call: Call, context: Context) -> None:
    """Set what proves the actor, and the call's request id, the caller's or a new one.

    Only a new one is sent back: trailing metadata costs a call about a tenth more,
    and the services of the installation always send an id.
    """
    is_first = True
    for key, value in context.invocation_metadata() or ():
        call.shown_bytes += len(key) + len(value)
        if key == AUTHORIZATION_KEY:
            call.authorization = str(value)
        elif key == REQUEST_ID_KEY:
            call.request_id = _read_id(str(value))
        elif key == TIMEOUT_KEY:
            call.timeout_ms = _milliseconds(str(value))
        elif key == ADMISSION_PASS_KEY:
            call.admission_pass = str(value)
        elif key == PRIORITY_KEY:
            call.lowered_to = str(value)
        elif key == TRACEPARENT_KEY:
            call.traceparent = read_traceparent(str(value))
        elif key == _ATTEMPTS_KEY:
            is_first = False
    if not is_first:
        # gRPC of the caller has tried before: the time went to that.
        call.timeout_ms = 0
    _require_id(call, context)


def _read_id(text: str) -> str:
    """The caller's id; '' for what is none, or might be a person's number: ids are never masked."""
    return text if _REQUEST_ID.fullmatch(text) and mask_numbers(text) == text else ""


def _milliseconds(text: str) -> int:
    return int(text) if _MILLISECONDS.fullmatch(text) else 0


def _require_id(call: Call, context: Context) -> None:
    if not call.request_id:
        call.request_id = str(uuid4())
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))


def _code_of_cancelled(context: Context) -> grpc.StatusCode:
    if context.time_remaining() == 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
