"""The ports of an installation: from a base or free ones, and what happens to those taken."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from zikao_ctl import ports
from zikao_ctl.layout import InstallationError
from zikao_ctl.ports import FREE_RANGE, HOST, OFFSETS, choose_ports, is_free


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Somebody else's program on a port."""
    with socket.socket() as server:
        server.bind((HOST, 0))
        server.listen()
        yield server


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "RELEASE_SECONDS", 0.2)


def test_a_base_gives_the_documented_ports() -> None:
    """Operators can tell the ports from the base."""
    base = choose_ports(["tickets"], None, {})["tickets"] - OFFSETS["tickets"]
    chosen = choose_ports(["tickets", "tickets-metrics"], base, {})
    assert chosen == {"tickets": base + 3, "tickets-metrics": base + 13}


def test_a_taken_port_is_named_with_the_way_out(listener: socket.socket) -> None:
    """The error says which port, whose it was to be, and what to do."""
    port = listener.getsockname()[1]
    with pytest.raises(InstallationError, match=rf"port {port} \(tickets\).*--port-base"):
        choose_ports(["tickets"], port - OFFSETS["tickets"], {})


def test_a_port_that_becomes_free_is_waited_for(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of a killed installation may still be closing their sockets."""
    port = listener.getsockname()[1]
    monkeypatch.setattr(time, "sleep", lambda _: listener.close())
    assert choose_ports(["tickets"], port - OFFSETS["tickets"], {}) == {"tickets": port}


def test_free_ports_are_distinct_free_and_not_for_outgoing_connections() -> None:
    """No port is given twice, and none that a client's connection could take meanwhile."""
    chosen = choose_ports(OFFSETS, None, {})
    assert len(set(chosen.values())) == len(OFFSETS)
    assert all(port in FREE_RANGE and is_free(port) for port in chosen.values())


def test_free_ports_stay_the_same(listener: socket.socket) -> None:
    """Remembered ports are used again, except one that somebody has taken."""
    first = choose_ports(OFFSETS, 0, {})
    assert choose_ports(OFFSETS, 0, first) == first
    taken = listener.getsockname()[1]
    second = choose_ports(OFFSETS, 0, first | {"payment": taken})
    assert second["payment"] != taken
    assert second == first | {"payment": second["payment"]}
