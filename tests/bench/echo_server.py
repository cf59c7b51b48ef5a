"""A bare grpc.aio server with one empty method behind mutual TLS: what a call costs at the least.

python echo_server.py PORT CERT KEY CA
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import grpc
from zikao_kit.certificates import CertificateWatch, server_credentials_of
from zikao_kit.config import CertFiles

METHOD = "/zikao.bench.Echo/Call"


class Echo(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in its stub only
    """Answers every call with what it brought."""

    def __init__(self) -> None:
        self._handler: Any = grpc.unary_unary_rpc_method_handler(_echo)

    def service(self, details: Any) -> Any:
        """The one method, by any name."""
        return self._handler


async def _echo(request: bytes, _: Any) -> bytes:
    return request


async def serve(port: int, files: CertFiles) -> None:
    """Serve until the process is ended."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    server.add_secure_port(
        f"127.0.0.1:{port}", server_credentials_of(CertificateWatch(files, "server"))
    )
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), CertFiles(*map(Path, sys.argv[2:5]))))
