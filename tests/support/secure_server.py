"""A gRPC server over mutual TLS that answers as a test says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import grpc
from support.certificates import server_credentials
from zikao_ctl.rush.http2 import Address
from zikao_kit.tls import DevelopmentCa

NAME = "enrollment"


class SecureServer:
    """Listens inside the block at `address`; of a folder for its certificates."""

    def __init__(
        self,
        folder: Path,
        handler: grpc.GenericRpcHandler,  # type: ignore[type-arg]
        options: Sequence[tuple[str, Any]] = (),
        port: int = 0,
    ) -> None:
        ca = DevelopmentCa(folder)
        self._server = grpc.aio.server(options=list(options))
        self._server.add_generic_rpc_handlers([handler])
        port = self._server.add_secure_port(f"127.0.0.1:{port}", server_credentials(ca.issue(NAME)))
        self.address = Address("127.0.0.1", port, NAME, ca.issue("portal"))

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """End at once."""
        await self.stop(None)

    async def stop(self, grace_seconds: float | None) -> None:
        """End; calls under way have so long."""
        await self._server.stop(grace_seconds)
