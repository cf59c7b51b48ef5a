"""What the sandbox's HTTP peers have in common: a listener over TLS, on one machine."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web
from zikao_kit.config import CertFiles

# Who is being kept waiting on purpose is not waited for.
SHUTDOWN_SECONDS = 0.5


def server_tls(files: CertFiles) -> ssl.SSLContext:
    """Serve as `files.cert_file`, to clients that need no certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.cert_file, files.key_file)
    return context


def split_address(listen: str) -> tuple[str, int]:
    """Host and port of `host:port`."""
    host, _, port = listen.rpartition(":")
    return host, int(port)


@asynccontextmanager
async def serving_https(app: web.Application, files: CertFiles, listen: str) -> AsyncIterator[None]:
    """Serve while the block runs."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        host, port = split_address(listen)
        await web.TCPSite(runner, host, port, ssl_context=server_tls(files)).start()
        yield
    finally:
        await runner.cleanup()
