"""From a method's name to its handler; and the two services that gRPC itself brings.

All methods sit behind one generic handler: gRPC waits for each registered method
separately, which costs every call more the more methods a service has.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import _async as reflection_aio
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from zikao_kit.callers import CallerList
from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.interceptors.deadline import abort, ended_after
from zikao_kit.interceptors.open_calls import OpenCalls
from zikao_kit.ledger import CALL_BYTES, Seen
from zikao_kit.tls import peer_name

HEALTH_SERVICE: str = health.SERVICE_NAME
REFLECTION_SERVICE: str = reflection.SERVICE_NAME


class Routes(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stub only
    """The handlers by full method name; also collects them from generated code.

    Until `publish`, methods that are not there yet answer UNAVAILABLE.
    """

    def __init__(self, seen: Seen | None = None) -> None:
        """`seen` hears of calls that come too early: who makes them is no abuser."""
        self.handlers: dict[str, Any] = {}
        self._seen = seen
        self._fallback: Any = grpc.unary_unary_rpc_method_handler(self._not_yet)

    def service(self, details: Any) -> Any:
        """Return the handler of a call, None (UNIMPLEMENTED) when there is none."""
        return self.handlers.get(details.method, self._fallback)

    def add(self, full_name: str, handler: Any) -> None:
        """Answer a method with `handler` from now on."""
        self.handlers[full_name] = handler

    def publish(self) -> None:
        """All methods are there: others do not exist."""
        self._fallback = None

    async def _not_yet(self, request: bytes, context: Any) -> None:
        if self._seen is not None:
            metadata = sum(len(key) + len(value) for key, value in context.invocation_metadata())
            self._seen.note(context.peer(), CALL_BYTES + metadata + len(request))
        await context.abort(grpc.StatusCode.UNAVAILABLE, f"{UNAVAILABLE}: starting")

    # The two calls that a generated `add_…_to_server` makes.

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Collect the handlers of a service."""
        for method, handler in handlers.items():
            self.add(f"/{service}/{method}", handler)

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Do nothing: these are the same handlers once more."""


class Health:
    """grpc.health.v1 for the whole server; NOT_SERVING until told otherwise.

    gRPC's own servicer writes to a watcher under the lock that a change of the status
    needs: one that does not read would keep the server from stopping.
    """

    def __init__(
        self,
        watchers: OpenCalls,
        max_write_seconds: float,
        callers: CallerList | None = None,
    ) -> None:
        """`callers`: who may ask; without it whoever has a certificate, as balancers have."""
        self._callers = callers
        self._status = health_pb2.HealthCheckResponse.NOT_SERVING
        self._changed = asyncio.Condition()
        self._watchers = watchers
        self._max_write_seconds = max_write_seconds

    @property
    def status(self) -> Any:
        """SERVING or NOT_SERVING."""
        return self._status

    async def set_serving(self, serving: bool) -> None:
        """Answer SERVING or NOT_SERVING from now on, and tell the watchers."""
        known = health_pb2.HealthCheckResponse
        async with self._changed:
            self._status = known.SERVING if serving else known.NOT_SERVING
            self._changed.notify_all()

    async def Check(  # noqa: N802 - its name in the contract
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """Answer for the server as a whole (an empty name); there is nothing else to ask for."""
        await _admit(self._callers, context)
        if request.service:
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self._status)

    async def List(self, _: Any, context: Any) -> health_pb2.HealthListResponse:  # noqa: N802
        """Answer for the server as a whole: it is all there is."""
        await _admit(self._callers, context)
        whole = health_pb2.HealthCheckResponse(status=self._status)
        return health_pb2.HealthListResponse(statuses={"": whole})

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """Say the status now and whenever it changes.

        Watchers are counted, and told to go, or a stop would wait for them.
        """
        await _admit(self._callers, context)
        try:
            with self._watchers.open(peer_name(context.auth_context())):
                await self._tell(request.service, context)
        except DomainError as error:
            await abort(context, grpc.StatusCode.UNAVAILABLE, error.reason)

    async def _tell(self, service: str, context: Any) -> None:
        told = None
        while True:
            async with self._changed:
                while self._status_of(service) == told:
                    await self._changed.wait()
            told = self._status_of(service)
            async with ended_after(self._max_write_seconds):
                await context.write(health_pb2.HealthCheckResponse(status=told))

    def _status_of(self, service: str) -> Any:
        return health_pb2.HealthCheckResponse.SERVICE_UNKNOWN if service else self._status


class _Reflection(reflection_aio.ReflectionServicer):  # type: ignore[misc]  # Any in its stub
    """Lists the contracts, to whom may call."""

    def __init__(self, names: Sequence[str], callers: CallerList | None) -> None:
        super().__init__(names)
        self._callers = callers

    async def ServerReflectionInfo(  # noqa: N802 - its name in the contract
        self, request_iterator: Any, unused_context: Any
    ) -> AsyncIterator[Any]:
        await _admit(self._callers, unused_context)
        async for answer in super().ServerReflectionInfo(request_iterator, unused_context):
            yield answer


def add_reflection(
    routes: Routes, service_names: Sequence[str], callers: CallerList | None = None
) -> None:
    """Let tools such as grpcurl list the contracts."""
    names = [*service_names, HEALTH_SERVICE, REFLECTION_SERVICE]
    servicer = _Reflection(names, callers)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, routes)


async def _admit(callers: CallerList | None, context: Any) -> None:
    if callers is None:
        return
    try:
        callers.admit(peer_name(context.auth_context()) or "", context)
    except DomainError as error:
        await abort(context, grpc.StatusCode.PERMISSION_DENIED, error.reason)
