"""Which ports an installation listens on: a base and an offset each, or free ones."""

from __future__ import annotations

import secrets
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import chain

from zikao_ctl.layout import InstallationError

HOST = "127.0.0.1"
DEFAULT_PORT_BASE = 7100
POSTGRES = "postgres"
PROXY = "database-proxy"
OFFSETS: Mapping[str, int] = {
    "registration": 1,
    "enrollment": 2,
    "tickets": 3,
    "payment": 4,
    POSTGRES: 5,
    "outside": 6,
    "enrollment-2": 7,
    PROXY: 8,
    "registration-metrics": 11,
    "enrollment-metrics": 12,
    "tickets-metrics": 13,
    "payment-metrics": 14,
    "outside-metrics": 16,
    "enrollment-2-metrics": 17,
    "sms": 21,
    "mail": 22,
    "identity": 23,
}
MAX_PORT_BASE = 65535 - max(OFFSETS.values())
# Below the ports that systems give to outgoing connections: one of those could take the port
# of a process between its death and its restart.
FREE_RANGE = range(15_000, 32_000)
# A killed installation's processes are gone at once, their sockets a moment later.
RELEASE_SECONDS = 3.0
POLL_SECONDS = 0.05


@contextmanager
def claimed_ports(
    names: Iterable[str], base: int | None, remembered: Mapping[str, int]
) -> Iterator[dict[str, int]]:
    """Ports by name: from `base` on, or (0 or None) those `remembered` and free ones.

    While the block runs no other installation is given them, even before anybody listens.
    Raises InstallationError when a port of the base is taken.
    """
    with ExitStack() as claims:
        yield _ports_of_base(names, base) if base else _free_ports(names, remembered, claims)


def _ports_of_base(names: Iterable[str], base: int) -> dict[str, int]:
    ports = {name: base + OFFSETS[name] for name in names}
    for name, port in ports.items():
        if not _becomes_free(port):
            raise InstallationError(
                f"port {port} ({name}) is taken by another program: "
                "stop it, or choose other ports with --port-base"
            )
    return ports


def _free_ports(
    names: Iterable[str], remembered: Mapping[str, int], claims: ExitStack
) -> dict[str, int]:
    ports: dict[str, int] = {}
    for name in names:
        port = remembered.get(name)
        if port is None or not _claimed_again(port, claims):
            port = _another_port({*ports.values(), *remembered.values()}, claims)
        ports[name] = port
    return ports


def _claimed_again(port: int, claims: ExitStack) -> bool:
    # What is left of its closed connections does not count.
    claim = _claim(port, reuse=True) if _becomes_free(port) else None
    if claim:
        claims.enter_context(claim)
    return claim is not None


def _another_port(known: set[int], claims: ExitStack) -> int:
    # Not by `random`: processes that test with the same seed would all begin at the same port.
    start = secrets.randbelow(len(FREE_RANGE))
    for port in chain(FREE_RANGE[start:], FREE_RANGE[:start]):
        if port not in known and (claim := _claim(port)):
            claims.enter_context(claim)
            return port
    raise InstallationError(f"no free port from {FREE_RANGE.start} to {FREE_RANGE.stop - 1}")


def _claim(port: int, *, reuse: bool = False) -> socket.socket | None:
    """Keep a port from others who claim it, not from who listens on it; None if it is taken."""
    claim = socket.socket()
    try:
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        claim.bind((HOST, port))
    except OSError:
        claim.close()
        return None
    # Asked for later than the port itself, which was nobody else's so far: now servers may have it.
    claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return claim


def _becomes_free(port: int) -> bool:
    deadline = time.monotonic() + RELEASE_SECONDS
    while not is_free(port):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True
