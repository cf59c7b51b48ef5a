"""The probe as a process, wired like a service's main.py.

Argument: a directory with certificates and the file `port`. It serves from when
the file `database` is there, and leaves `closed` behind.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from support.probe import ProbeRpc, probe_config, probe_definition
from zikao.test.v1 import probe_pb2
from zikao_kit.clock import SystemClock
from zikao_kit.config import LogConfig
from zikao_kit.logs import configure_logging
from zikao_kit.server import ServiceDefinition, run, serve
from zikao_kit.tls import DevelopmentCa
from zikao_kit.tokens import TokenVerifier, TrustedKeys


async def main(directory: Path) -> None:
    """Serve until a signal comes."""

    @asynccontextmanager
    async def open_services() -> AsyncIterator[Sequence[ServiceDefinition]]:
        while not (directory / "database").exists():
            await asyncio.sleep(0.02)
        try:
            yield [probe_definition(ProbeRpc())]
        finally:
            (directory / "closed").touch()

    port = int((directory / "port").read_text())
    await serve(
        open_services,
        config=probe_config(DevelopmentCa(directory), listen=f"127.0.0.1:{port}"),
        domain="probe",
        error_enum=probe_pb2.ErrorReason.DESCRIPTOR,
        verifier=TokenVerifier(TrustedKeys().get, SystemClock()),
        contracts=list(probe_pb2.DESCRIPTOR.services_by_name.values()),
    )


if __name__ == "__main__":
    configure_logging("probe", LogConfig())
    run(lambda: main(Path(sys.argv[1])))
