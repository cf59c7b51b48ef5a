"""The port that scrapes ask, which nobody can stand in for long.

prometheus_client's own server gives whoever connects a thread and a file for as long as he likes.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

MAX_CONNECTIONS = 16
# For a question, and for each part of an answer.
MAX_SILENCE_SECONDS = 5.0


def serve_metrics(host: str, port: int) -> Callable[[], None]:
    """Answer scrapes at host and port in threads, until what is returned is called.

    OSError when somebody listens there already.
    """
    places = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    family, *_, (address, *_) = places[0]
    server_class: Any = type("Server", (_Server,), {"address_family": family})
    http: WSGIServer = make_server(str(address), port, make_wsgi_app(), server_class, _Handler)
    threading.Thread(target=http.serve_forever, name="metrics", daemon=True).start()

    def stop() -> None:
        http.shutdown()
        http.server_close()

    return stop


class _Handler(WSGIRequestHandler):
    timeout = MAX_SILENCE_SECONDS

    def log_message(self, *_: Any) -> None:
        """Say nothing: scrapes come every few seconds."""


class _Server(ThreadingWSGIServer):
    """Lets everybody in; of whom has most connections the oldest goes when there are too many."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._lock = threading.Lock()
        # The oldest first, each with the address that it is from.
        self._open: dict[socket.socket, str] = {}
        super().__init__(*args, **options)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            if len(self._open) >= MAX_CONNECTIONS:
                crowded = Counter(self._open.values()).most_common(1)[0][0]
                oldest = next(each for each, address in self._open.items() if address == crowded)
                del self._open[oldest]
                with suppress(OSError):  # its thread reads an end, and closes it
                    oldest.shutdown(socket.SHUT_RDWR)
            self._open[request] = client_address[0]
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: whoever asks has gone, or was let go."""
