"""From a method's name to its handler; and the two services that gRPC itself brings.

All methods sit behind one generic handler: gRPC waits for each registered method
separately, which costs every call more the more methods a service has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
from grpc_health.v1 import _async as health_aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import _async as reflection_aio
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from zikao_kit.errors import UNAVAILABLE, DomainError
from zikao_kit.interceptors.open_calls import OpenCalls
from zikao_kit.tls import peer_name

HEALTH_WATCH = "/grpc.health.v1.Health/Watch"


class Routes(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stub only
    """The handlers by full method name; also collects them from generated code.

    Until `publish`, methods that are not there yet answer UNAVAILABLE.
    """

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}
        self._fallback: Any = grpc.unary_unary_rpc_method_handler(_not_yet)

    def service(self, details: Any) -> Any:
        """Return the handler of a call, None (UNIMPLEMENTED) when there is none."""
        return self.handlers.get(details.method, self._fallback)

    def add(self, full_name: str, handler: Any) -> None:
        """Answer a method with `handler` from now on."""
        self.handlers[full_name] = handler

    def publish(self) -> None:
        """All methods are there: others do not exist."""
        self._fallback = None

    # The two calls that a generated `add_…_to_server` makes.

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Collect the handlers of a service."""
        for method, handler in handlers.items():
            self.add(f"/{service}/{method}", handler)

    def add_generic_rpc_handlers(self, handlers: Sequence[Any]) -> None:
        """Do nothing: these are the same handlers once more."""


class Health:
    """grpc.health.v1 for the whole server; NOT_SERVING until told otherwise."""

    def __init__(self, watchers: OpenCalls) -> None:
        self._servicer = health_aio.HealthServicer()
        self._watchers = watchers

    def add_to(self, routes: Routes) -> None:
        """Answer health checks; watchers are counted, and told to go, or a stop waited for them."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, routes)
        watch = routes.handlers[HEALTH_WATCH]
        routes.add(
            HEALTH_WATCH,
            grpc.unary_stream_rpc_method_handler(
                self._watch, watch.request_deserializer, watch.response_serializer
            ),
        )

    async def set_serving(self, serving: bool) -> None:
        """Answer SERVING or NOT_SERVING from now on, and tell the watchers."""
        status = health_pb2.HealthCheckResponse
        await self._servicer.set("", status.SERVING if serving else status.NOT_SERVING)

    async def _watch(self, request: Any, context: Any) -> None:
        try:
            with self._watchers.open(peer_name(context.auth_context())):
                await self._servicer.Watch(request, context)
        except DomainError as error:
            await context.abort(grpc.StatusCode.UNAVAILABLE, error.reason)


def add_reflection(routes: Routes, service_names: Sequence[str]) -> None:
    """Let tools such as grpcurl list the contracts."""
    names = [*service_names, health.SERVICE_NAME, reflection.SERVICE_NAME]
    servicer = reflection_aio.ReflectionServicer(names)
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(servicer, routes)


async def _not_yet(_: bytes, context: Any) -> None:
    await context.abort(grpc.StatusCode.UNAVAILABLE, f"{UNAVAILABLE}: starting")
