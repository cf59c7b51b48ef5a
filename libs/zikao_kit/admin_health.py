"""A port for probes, without TLS: it answers grpc.health.v1, and nothing else.

What starts and ends processes (Kubernetes, for one) has no certificate of the installation. It
asks for "" whether to send calls here, and for "liveness" whether the process is to be started
anew. That is answered by the event loop that answers calls: who hangs does not answer here either.

gRPC listens at a socket within the machine; what comes to the port goes through `probe_door`.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from zikao_kit.listeners import ListenError
from zikao_kit.probe_door import ProbeDoor
from zikao_kit.routing import Health

LIVENESS = "liveness"
# A question has some 20 bytes, and as much metadata as gRPC itself adds.
MAX_MESSAGE_BYTES = 1024
MAX_METADATA_BYTES = 2048
MAX_CALLS_PER_CONNECTION = 4


class AdminHealth(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # Any in its stub
    """Says what `health` says; "liveness" is SERVING as long as anybody answers.

    Watching is left out (UNIMPLEMENTED): nothing here is open for long.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._server: grpc.aio.Server | None = None
        self._door: ProbeDoor | None = None

    async def start(self, address: str) -> int:
        """Listen at "host:port" and return the port; ListenError when it is taken."""
        # Of Linux: a name without a file, which nobody else has.
        inside = f"zikao-admin-{uuid4().hex}"
        try:
            door = ProbeDoor(address, f"\0{inside}")
        except OSError as error:
            raise ListenError(f"admin: cannot listen on {address}") from error
        server = grpc.aio.server(options=_OPTIONS)
        health_pb2_grpc.add_HealthServicer_to_server(self, server)
        server.add_insecure_port(f"unix-abstract:{inside}")
        await server.start()
        self._server = server
        self._door = door
        return door.open()

    async def stop(self) -> None:
        """Answer no more; does nothing where it has not started."""
        door, self._door = self._door, None
        if door is not None:
            await door.close()
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    async def Check(  # noqa: N802 - its name in the contract
        self, request: health_pb2.HealthCheckRequest, context: Any
    ) -> health_pb2.HealthCheckResponse:
        """Readiness for "", liveness for "liveness"; NOT_FOUND for anything else."""
        if request.service not in ("", LIVENESS):
            await context.abort(grpc.StatusCode.NOT_FOUND)
        return health_pb2.HealthCheckResponse(status=self._statuses[request.service])

    async def List(self, _: Any, __: Any) -> health_pb2.HealthListResponse:  # noqa: N802
        """Both."""
        answer = health_pb2.HealthCheckResponse
        found = {name: answer(status=status) for name, status in self._statuses.items()}
        return health_pb2.HealthListResponse(statuses=found)

    @property
    def _statuses(self) -> dict[str, Any]:
        return {"": self._health.status, LIVENESS: health_pb2.HealthCheckResponse.SERVING}


_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MAX_METADATA_BYTES),
    ("grpc.max_concurrent_streams", MAX_CALLS_PER_CONNECTION),
]
