"""A pod's program, started as its manifest says: arguments, configuration, files, probes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from support.manifests.cluster_secrets import Secrets, make_secrets
from support.manifests.documents import Document, containers, mounted_files, named, of_kind
from support.service import free_port
from support.service_databases import MakeDatabase
from support.services import SERVICES

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
PATIENCE_SECONDS = 60
PORTS = ("7100", "7180", "9100")
# So long that probes are asked meanwhile, however slow the machine: a second signal ends it.
DRAIN_WAIT = ("drain_wait_seconds: 2", "drain_wait_seconds: 30")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    """Those of a machine to try on."""
    return make_secrets(tmp_path_factory.mktemp("kind"))


class Pod:
    """A process with the files that the manifest mounts, below a folder in the place of `/`."""

    def __init__(
        self, root: Path, documents: list[Document], service: str, secrets: Secrets
    ) -> None:
        workload = named(documents, "Deployment", service)
        self.service = service
        self.root = root
        self.container = containers(workload)[0]
        self.ports = {port: str(free_port()) for port in PORTS}
        for path, (source, key) in mounted_files(workload, self.container).items():
            kind, _, name = source.partition("/")
            assert kind == "Secret"
            self._write(path, secrets[name][key])
        config_map = next(
            one
            for one in of_kind(documents, "ConfigMap")
            if one["metadata"]["name"].startswith(f"{service}-config")
        )
        text: str = config_map["data"]["config.yaml"].replace("/etc/zikao/", f"{root}/etc/zikao/")
        assert DRAIN_WAIT[0] in text
        text = text.replace(*DRAIN_WAIT)
        for inside, outside in self.ports.items():
            text = text.replace(f"0.0.0.0:{inside}", f"127.0.0.1:{outside}")
            text = text.replace(f"metrics_port: {inside}", f"metrics_port: {outside}")
        self._write("/etc/zikao/config/config.yaml", text.encode())

    def use_database(self, dsn: str) -> None:
        """Let the mounted connection string lead to a database of this machine."""
        self._write("/etc/zikao/secrets/dsn", dsn.encode())

    def _write(self, path: str, content: bytes) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Process]:
        """Run what the container runs, with its variables; killed at the end if it still runs."""
        words = [
            word.replace("/etc/zikao/", f"{self.root}/etc/zikao/")
            for word in self.container["args"]
        ]
        variables = {one["name"]: one["value"] for one in self.container.get("env", [])}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"zikao_{self.service}", *words), env=os.environ | variables
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def probed(self, name: str) -> Any:
        """What a probe of the manifest is told; None while nobody answers."""
        probe = self.container[name]["grpc"]
        target = f"127.0.0.1:{self.ports[str(probe['port'])]}"
        request = health_pb2.HealthCheckRequest(service=probe.get("service", ""))
        async with grpc.aio.insecure_channel(target) as channel:
            return await _status(channel, request)

    async def until(self, name: str, wanted: Any) -> None:
        """Ask a probe again until it is told so."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.probed(name) != wanted:
                await asyncio.sleep(0.05)


async def _status(channel: grpc.aio.Channel, request: health_pb2.HealthCheckRequest) -> Any:
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
    except grpc.aio.AioRpcError:
        return None
    return answer.status


@pytest.mark.parametrize("service", SERVICES)
async def test_a_pod_is_alive_all_the_time_and_ready_when_it_can_serve(
    rendered: dict[str, list[Document]],
    secrets: Secrets,
    tmp_path: Path,
    make_database: MakeDatabase,
    service: str,
) -> None:
    """It waits for its database alive and not ready, is ready with it, and drains alive."""
    pod = Pod(tmp_path, rendered["overlay-kind"], service, secrets)
    async with pod.running() as process:
        await pod.until("startupProbe", SERVING)
        assert await pod.probed("livenessProbe") == SERVING
        assert await pod.probed("readinessProbe") == NOT_SERVING
        pod.use_database(await make_database(service))
        await pod.until("readinessProbe", SERVING)
        process.send_signal(signal.SIGTERM)
        await pod.until("readinessProbe", NOT_SERVING)
        assert await pod.probed("livenessProbe") == SERVING
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert await process.wait() == 0
