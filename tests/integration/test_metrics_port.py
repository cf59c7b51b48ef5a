"""The port for scrapes: bounded, and nobody keeps scrapes out."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
from support.exposition import scraped_text
from support.service import free_port
from zikao_kit import metrics_port
from zikao_kit.metrics_port import serve_metrics


@pytest.fixture
def port() -> Iterator[int]:
    """Where metrics are served."""
    found = free_port()
    stop = serve_metrics("127.0.0.1", found)
    yield found
    stop()


def test_who_stays_keeps_no_scrape_out(port: int) -> None:
    """Connections that ask nothing have no thread each: as many as may be, the oldest go."""
    before = threading.active_count()
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(60)]
    assert "process_cpu_seconds_total" in scraped_text(port)
    over = [each for each in idle if is_over(each)]
    assert len(over) >= len(idle) - metrics_port.MAX_CONNECTIONS
    assert idle[-1] not in over
    assert threading.active_count() - before <= metrics_port.MAX_CONNECTIONS + 1
    for each in idle:
        each.close()


def is_over(connection: socket.socket) -> bool:
    """Whether the other end has closed it, or does within a moment."""
    connection.settimeout(0.1)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def test_who_says_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that does not go on ends the connection, where there is room too."""
    monkeypatch.setattr(metrics_port._Handler, "timeout", 0.2)
    port = free_port()
    stop = serve_metrics("127.0.0.1", port)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as slow:
            slow.sendall(b"GET /metr")
            assert slow.recv(1) == b""
    finally:
        stop()
