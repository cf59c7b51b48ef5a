"""A gRPC server of which health, metrics, permission, shedding and draining cannot be left out.

async def main(config: EnrollmentConfig) -> None:
    @asynccontextmanager
    async def open_services() -> AsyncIterator[list[ServiceDefinition]]:
        async with open_database(config.database, "zikao_enrollment") as db:
            yield [definition(service_pb2_grpc, service_pb2, "EnrollmentService", Enrollment(db))]

    await serve(open_services, config=config.server, domain="enrollment", contracts=CONTRACTS,
                error_enum=errors_pb2.ErrorReason.DESCRIPTOR, verifier=verifier)

run(lambda: main(config))
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from google.protobuf.descriptor import EnumDescriptor, ServiceDescriptor
from grpc_health.v1 import health_pb2_grpc

from zikao_kit.admin_health import AdminHealth
from zikao_kit.admission import Admission
from zikao_kit.background import repeat
from zikao_kit.callers import Callers, check_callers
from zikao_kit.certificates import (
    LOOK_SECONDS,
    CertificateWatch,
    server_credentials_of,
    show_expiry,
)
from zikao_kit.config import ConfigError, ServerConfig
from zikao_kit.error_table import ErrorTable
from zikao_kit.interceptors.access_log import AccessLog
from zikao_kit.interceptors.guard import Gate, Guard
from zikao_kit.interceptors.method import guarded
from zikao_kit.interceptors.open_calls import OpenCalls
from zikao_kit.ledger import Seen
from zikao_kit.listeners import ListenError, Listeners
from zikao_kit.logs import register_sensitive_fields
from zikao_kit.metrics_port import serve_metrics
from zikao_kit.policy import policies_of
from zikao_kit.process_limits import allow_files, wake_threads_late
from zikao_kit.routing import (
    HEALTH_SERVICE,
    REFLECTION_SERVICE,
    Health,
    Routes,
    add_reflection,
)
from zikao_kit.tls import PeerNames
from zikao_kit.tokens import TokenVerifier
from zikao_kit.transport_limits import server_options
from zikao_kit.warden import Bell, Warden

# Nearly all that calls leave behind goes without the collector. At Python's 700 it would look at
# what a batch holds dozens of times while the batch lives: a sixth of what a submission cost. At
# 20,000 it costs no less than here, and keeps everybody waiting for 15 ms at a time instead of 4.
OBJECTS_A_COLLECTION = 8_000
# What a process has open besides connections: listeners, the database, logs, files it reads.
OTHER_FILES = 500

# Watchers of health are told that it is over before they are let go.
LEAST_DRAIN_WAIT_SECONDS = 0.05

log = structlog.get_logger()
NewLoop = Callable[[], asyncio.AbstractEventLoop]
OpenServices = Callable[[], AbstractAsyncContextManager[Sequence["ServiceDefinition"]]]


@dataclass(frozen=True)
class ServiceDefinition:
    """One gRPC service: the generated `add_…_to_server`, what implements it, its contract."""

    add_to_server: Callable[[Any, Any], None]
    servicer: object
    descriptor: ServiceDescriptor


def definition(grpc_module: Any, pb_module: Any, name: str, servicer: object) -> ServiceDefinition:
    """Return the service `name` of a contract (its two generated modules), served by `servicer`."""
    return ServiceDefinition(
        getattr(grpc_module, f"add_{name}Servicer_to_server"),
        servicer,
        pb_module.DESCRIPTOR.services_by_name[name],
    )


def contracts_of(services: Sequence[tuple[Any, Any, str, Any]]) -> list[ServiceDescriptor]:
    """The contracts of services: generated modules, name, and what answers."""
    return [pb_module.DESCRIPTOR.services_by_name[name] for _, pb_module, name, _ in services]


class GrpcServer:
    """Listens from `start`, answers from `publish`, is SERVING from `set_serving(True)`.

    Before `publish` every method answers UNAVAILABLE, so that clients try again
    while the service waits for its database.
    """

    def __init__(
        self,
        *,
        config: ServerConfig,
        domain: str,
        error_enum: EnumDescriptor,
        verifier: TokenVerifier,
        admission: Admission | None = None,
    ) -> None:
        self._config = config
        self._callers = Callers(config.callers, config.refused_certificates)
        self._seen = Seen()
        self._gate = Gate(
            domain=domain,
            errors=ErrorTable.from_enums(error_enum),
            names=PeerNames(),
            verifier=verifier,
            callers=self._callers,
            seen=self._seen,
            admission=admission or Admission.of(config),
            subscriptions=OpenCalls(config.max_subscriptions, config.max_subscriptions_per_caller),
            public_subscriptions=OpenCalls(
                config.max_public_subscriptions, config.max_public_subscriptions_per_caller
            ),
            streams=OpenCalls(config.max_streams, config.max_streams_per_actor),
            max_call_seconds=config.max_call_seconds,
            max_stream_seconds=config.max_stream_seconds,
            max_write_seconds=config.max_write_seconds,
        )
        self._watchers = OpenCalls(config.max_watchers, config.max_watchers_per_caller)
        # Balancers and clients ask for it too: "*" does not speak of it.
        self._health = Health(
            self._watchers, config.max_write_seconds, self._callers.only_of(HEALTH_SERVICE)
        )
        self._admin = AdminHealth(self._health)
        self._routes = Routes(self._seen)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._routes)
        self._listeners: Listeners | None = None
        self._beside: list[asyncio.Task[None]] = []
        self._stop_metrics: Callable[[], None] = lambda: None
        self.port = 0
        self.admin_port = 0

    @property
    def admission(self) -> Admission:
        """The slots, for those who measure."""
        return self._gate.admission

    async def answer_probes(self) -> None:
        """Listen where probes ask, if anywhere: "liveness" is SERVING from now until `stop`.

        ListenError when the port is taken.
        """
        if self._config.admin_listen is not None:
            self.admin_port = await self._admin.start(self._config.admin_listen)
            log.info("answering probes", address=self._config.admin_listen)

    async def start(self) -> int:
        """Listen and return the port; health says NOT_SERVING.

        ListenError when the port is taken, ConfigError when the certificates cannot be used.
        """
        await self._health.set_serving(False)
        certificates = _certificates(self._config)
        self._start_metrics()
        bell = Bell()
        listeners = Listeners(self._config.listeners, self._routes, server_options(self._config))
        try:
            self.port = await listeners.start(
                self._config.listen,
                partial(server_credentials_of, certificates, bell.ring),
                shared=self._config.reuse_port,
            )
        except BaseException:
            self._stop_metrics()
            raise
        self._listeners = listeners
        show_expiry(certificates)
        warden = Warden(self.port, self._seen, bell, self._config)
        work = (repeat("certificates", certificates.work, LOOK_SECONDS), warden.run())
        self._beside = [asyncio.create_task(each) for each in work]
        log.info("listening", address=self._config.listen, port=self.port)
        return self.port

    def publish(self, definitions: Sequence[ServiceDefinition]) -> None:
        """Answer the methods of `definitions` from now on.

        Raises TypeError for a method that is not implemented, ValueError for a
        contract that contradicts itself.
        """
        descriptors = [definition.descriptor for definition in definitions]
        register_sensitive_fields(*descriptors)
        handlers = _handlers_of(definitions)
        for full_name, policy in policies_of(*descriptors).items():
            if not policy.stated:
                log.warning("method without permission is refused for everyone", refused=full_name)
            every = self._config.access_log_every.get(full_name, 1)
            guard = Guard(policy, self._gate, AccessLog(every, polled=policy.polled))
            self._routes.add(full_name, guarded(guard, handlers[full_name]))
        if self._config.reflection:
            names = [descriptor.full_name for descriptor in descriptors]
            add_reflection(self._routes, names, self._callers.of(REFLECTION_SERVICE))
        self._routes.publish()

    async def set_serving(self, serving: bool) -> None:
        """Tell load balancers and clients whether to send calls."""
        await self._health.set_serving(serving)

    async def stop(self) -> None:
        """Turn calls away to others, let those in progress end, then close.

        NOT_SERVING, then a wait until that is seen, then subscriptions end, then
        `drain_grace_seconds` for the rest.
        """
        listeners, self._listeners = self._listeners, None
        if listeners is not None:
            await self._drain(listeners)
        await self._admin.stop()

    async def _drain(self, listeners: Listeners) -> None:
        log.info("draining", wait_seconds=self._config.drain_wait_seconds)
        await self._health.set_serving(False)
        await asyncio.sleep(max(self._config.drain_wait_seconds, LEAST_DRAIN_WAIT_SECONDS))
        self._gate.subscriptions.end_all()
        self._gate.public_subscriptions.end_all()
        self._watchers.end_all()
        await listeners.stop(self._config.drain_grace_seconds)
        for task in self._beside:
            task.cancel()
        self._stop_metrics()
        log.info("stopped")

    def _start_metrics(self) -> None:
        host, port = self._config.metrics_host, self._config.metrics_port
        if port is None:
            return
        try:
            self._stop_metrics = serve_metrics(host, port)
        except OSError as error:
            raise ListenError(f"metrics: cannot listen on {host}:{port}: {error}") from error


async def serve(
    open_services: OpenServices,
    *,
    config: ServerConfig,
    domain: str,
    error_enum: EnumDescriptor,
    verifier: TokenVerifier,
    contracts: Sequence[ServiceDescriptor],
    admission: Admission | None = None,
    computes_in_threads: bool = False,
) -> None:
    """Listen, open what the services need, serve until cancelled, drain, close it again.

    `contracts`: those of all services, for settings that name one. `open_services` may wait for a
    database as long as it must: meanwhile health says NOT_SERVING. It closes after the last call
    has ended. `admission` is for services that look at how their calls get on.
    `computes_in_threads`: calls must take the core from the process's own threads
    (`wake_threads_late`).
    """
    names = [contract.full_name for contract in contracts]
    check_callers(config.callers, [*names, HEALTH_SERVICE, REFLECTION_SERVICE])
    allow_files(config.max_connections + OTHER_FILES)
    batch = config.batch_scheduling
    if batch or (batch is None and not computes_in_threads):
        wake_threads_late()
    server = GrpcServer(
        config=config,
        domain=domain,
        error_enum=error_enum,
        verifier=verifier,
        admission=admission,
    )
    # Where others answer on the same port, nobody is to come here before there are answers. Nor
    # where probes are told elsewhere: what does not listen gets no call that is not tried again.
    late = config.reuse_port or config.admin_listen is not None
    await server.answer_probes()
    try:
        if not late:
            await server.start()
        async with open_services() as definitions:
            server.publish(definitions)
            if late:
                await server.start()
            # What is there now stays: the collector need not look at it for every call.
            gc.collect()
            gc.freeze()
            gc.set_threshold(OBJECTS_A_COLLECTION, *gc.get_threshold()[1:])
            await server.set_serving(True)
            log.info("serving", domain=domain)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await server.stop()
    finally:
        await server.stop()


def run(
    main: Callable[[], Coroutine[Any, Any, None]], new_loop: NewLoop = asyncio.new_event_loop
) -> None:
    """Run `main` until it ends; SIGTERM and SIGINT cancel it, a second one hurries it."""
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(_run_until_signal(main))


async def _run_until_signal(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    task = asyncio.ensure_future(main())
    stopped_by: list[str] = []

    def stop(name: str) -> None:
        stopped_by.append(name)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop, number.name)
    try:
        await task
    except asyncio.CancelledError:
        if not stopped_by:
            raise


def _certificates(config: ServerConfig) -> CertificateWatch:
    try:
        return CertificateWatch(config.tls, "server", serves=True)
    except ConfigError as error:
        raise ConfigError([f"server.tls: {problem}" for problem in error.problems]) from error


def _handlers_of(definitions: Sequence[ServiceDefinition]) -> dict[str, Any]:
    collected = Routes()
    for definition in definitions:
        definition.add_to_server(definition.servicer, collected)
    return collected.handlers
