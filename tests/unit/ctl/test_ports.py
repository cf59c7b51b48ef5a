"""The ports of an installation: from a base or free ones, and what happens to those taken."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator, Mapping

import pytest
from zikao_ctl import ports
from zikao_ctl.layout import InstallationError
from zikao_ctl.ports import FREE_RANGE, HOST, OFFSETS, claimed_ports, is_free


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


def chosen_ports(
    names: Iterable[str], base: int | None, remembered: Mapping[str, int]
) -> dict[str, int]:
    """What is claimed for a moment."""
    with claimed_ports(names, base, remembered) as ports:
        return ports


def test_a_base_gives_the_documented_ports() -> None:
    """Operators can tell the ports from the base."""
    base = chosen_ports(["tickets"], None, {})["tickets"] - OFFSETS["tickets"]
    chosen = chosen_ports(["tickets", "tickets-metrics"], base, {})
    assert chosen == {"tickets": base + 3, "tickets-metrics": base + 13}


def test_a_taken_port_is_named_with_the_way_out(listener: socket.socket) -> None:
    """The error says which port, whose it was to be, and what to do."""
    port = listener.getsockname()[1]
    with pytest.raises(InstallationError, match=rf"port {port} \(tickets\).*--port-base"):
        chosen_ports(["tickets"], port - OFFSETS["tickets"], {})


def test_a_port_that_becomes_free_is_waited_for(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The processes of a killed installation may still be closing their sockets."""
    port = listener.getsockname()[1]
    monkeypatch.setattr(time, "sleep", lambda _: listener.close())
    assert chosen_ports(["tickets"], port - OFFSETS["tickets"], {}) == {"tickets": port}


def test_free_ports_are_distinct_free_and_not_for_outgoing_connections() -> None:
    """No port is given twice, and none that a client's connection could take meanwhile."""
    chosen = chosen_ports(OFFSETS, None, {})
    assert len(set(chosen.values())) == len(OFFSETS)
    assert all(port in FREE_RANGE and is_free(port) for port in chosen.values())


def test_free_ports_stay_the_same(listener: socket.socket) -> None:
    """Remembered ports are used again, except one that somebody has taken."""
    first = chosen_ports(OFFSETS, 0, {})
    assert chosen_ports(OFFSETS, 0, first) == first
    taken = listener.getsockname()[1]
    second = chosen_ports(OFFSETS, 0, first | {"payment": taken})
    assert second["payment"] != taken
    assert second == first | {"payment": second["payment"]}


@pytest.mark.parametrize("remembered", [False, True])
def test_what_one_is_given_no_other_is_until_it_ends(
    remembered: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that start at the same time would have the second fail when it comes to listen."""
    known = chosen_ports(["mail"], None, {}) if remembered else {}
    with claimed_ports(["mail"], None, known) as first:
        monkeypatch.setattr(ports, "FREE_RANGE", range(first["mail"], first["mail"] + 1))
        with pytest.raises(InstallationError, match="no free port"):
            chosen_ports(["mail"], None, {})
    assert chosen_ports(["mail"], None, {}) == first


def test_who_was_given_a_port_can_listen_there() -> None:
    """A claim is kept from those who choose, not from the server it is for, however often."""
    with claimed_ports(["mail"], None, {}) as ports:
        for _ in range(2):
            with socket.create_server((HOST, ports["mail"])):
                assert not is_free(ports["mail"])
