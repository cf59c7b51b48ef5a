"""The outer half of a call: who, when, whether at all; and how it ends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

import grpc
import structlog

from zikao_kit.admission import Admission
from zikao_kit.context import REQUEST_ID_KEY, Call, set_current_call
from zikao_kit.error_table import ErrorTable, metadata_of
from zikao_kit.errors import INTERNAL, DomainError
from zikao_kit.interceptors.access_log import AccessLog
from zikao_kit.interceptors.deadline import patience_of
from zikao_kit.interceptors.identity import identify
from zikao_kit.interceptors.subscriptions import Subscriptions
from zikao_kit.metrics import MethodMetrics
from zikao_kit.policy import MethodPolicy
from zikao_kit.tls import peer_name
from zikao_kit.tokens import TokenVerifier

AUTHORIZATION_KEY = "authorization"

Context = grpc.aio.ServicerContext[Any, Any]
T = TypeVar("T")
log = structlog.get_logger()
# What callers send ends up in logs and metadata: only what an id looks like is taken.
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{8,64}")


@dataclass(frozen=True)
class Gate:
    """What all methods of a server share; `domain` is the service's name in errors."""

    domain: str
    errors: ErrorTable
    verifier: TokenVerifier
    admission: Admission
    subscriptions: Subscriptions


class Guard:
    """Lets the calls of one method in, and ends each with a status."""

    def __init__(self, policy: MethodPolicy, gate: Gate, access_log: AccessLog) -> None:
        self.policy = policy
        self._gate = gate
        self._access_log = access_log
        self._metrics = MethodMetrics(policy.full_name)

    async def run(
        self, context: Context, work: Callable[[Any, Context], Awaitable[T]], incoming: Any
    ) -> T:
        """Run `work(incoming, context)` for a call that may come in; abort it otherwise."""
        begun = time.perf_counter()
        call = Call(self.policy.full_name, request_id="")
        set_current_call(call)
        self._metrics.begin()
        try:
            authorization = _read_metadata(call, context)
            call.caller = peer_name(context.auth_context()) or ""
            if self.policy.long_lived:
                with self._gate.subscriptions.open():
                    self._identify(call, authorization)
                    answer = await work(incoming, context)
            else:
                patience_seconds = patience_of(context.time_remaining())
                await self._gate.admission.enter(self.policy.priority, patience_seconds)
                try:
                    self._identify(call, authorization)
                    answer = await work(incoming, context)
                finally:
                    self._gate.admission.leave()
        except (asyncio.CancelledError, grpc.aio.InternalError):
            # The caller has gone, or its deadline has passed: nobody hears an answer.
            self._close(_code_of_cancelled(context), None, begun)
            raise
        except Exception as error:
            await self._fail(call, context, begun, error)
            raise
        self._close(grpc.StatusCode.OK, None, begun)
        return answer

    def _identify(self, call: Call, authorization: str | None) -> None:
        call.actor = identify(self.policy, self._gate.verifier, authorization, call.caller)

    async def _fail(self, call: Call, context: Context, begun: float, error: Exception) -> None:
        """End the call with the status of `error`; raises AbortError."""
        if not isinstance(error, DomainError):
            log.error("unexpected error", exc_info=error)
            error = DomainError(INTERNAL)
        code = self._gate.errors.code(error.reason)
        self._close(code, error.reason, begun)
        status = self._gate.errors.status(error, call.request_id, self._gate.domain)
        trailing = ((REQUEST_ID_KEY, call.request_id), *metadata_of(status))
        await context.abort(code, status.message, trailing)

    def _close(self, code: grpc.StatusCode, reason: str | None, begun: float) -> None:
        seconds = time.perf_counter() - begun
        self._metrics.end(code, seconds)
        self._access_log.write(code, reason, seconds)


def _read_metadata(call: Call, context: Context) -> str | None:
    """Set the call's request id, the caller's or a new one; return `authorization`.

    Only a new one is sent back: trailing metadata costs a call about a tenth more,
    and the services of the installation always send an id.
    """
    authorization: str | None = None
    for key, value in context.invocation_metadata() or ():
        if key == AUTHORIZATION_KEY:
            authorization = str(value)
        elif key == REQUEST_ID_KEY and _REQUEST_ID.fullmatch(str(value)):
            call.request_id = str(value)
    if not call.request_id:
        call.request_id = str(uuid4())
        context.set_trailing_metadata(((REQUEST_ID_KEY, call.request_id),))
    return authorization


def _code_of_cancelled(context: Context) -> grpc.StatusCode:
    if context.time_remaining() == 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED
    return grpc.StatusCode.CANCELLED
