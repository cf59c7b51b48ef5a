"""The connections of this process as the kernel knows them: what came over each, and an end to it.

A server of gRPC tells nobody of its connections and closes none on request. The kernel counts what
comes over each (TCP_INFO), and lets a process that has a socket open end it: gRPC sees a peer that
has gone. Linux only; where /proc or the counts are missing, there are no connections to be seen.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Any

from zikao_kit.config import Network

_LIBC = ctypes.CDLL(None)
_OPEN_FILES = Path("/proc/self/fd")
# struct tcp_info (linux/tcp.h): unacked; bytes_acked and bytes_received, since Linux 4.1; after two
# counts of segments notsent_bytes, since 4.6.
_UNACKED, _UNACKED_AT = struct.Struct("=I"), 24
_COUNTS, _COUNTS_AT, _TCP_INFO_BYTES = struct.Struct("=QQ8xI"), 120, 148
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27
# Classic BPF (linux/filter.h). Of a listener's packets the IP header is reached by an offset.
_LOAD_WORD, _LOAD_BYTE, _AND, _EQUAL, _RETURN = 0x20, 0x30, 0x54, 0x15, 0x06
_NETWORK_HEADER = 0xFFF00000
_IPV4_SOURCE, _IPV6_SOURCE = 12, 8
# Of IPv6 whoever has one address has all that differ in these bits.
_OF_ONE_BITS = 64
_INSTRUCTION = struct.Struct("=HBBI")
_WHOLE, _NOTHING = 0xFFFFFFFF, 0
# An instruction jumps over 255 at most, and five are needed for an address.
MOST_SHUT_OUT = 40

Address = IPv4Address | IPv6Address
# What `getpeername` says: host, port and, of IPv6, more.
Place = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at the other end of a connection."""

    address: Address
    port: int

    @property
    def origin(self) -> Address:
        """The address; of IPv6 the first one of its /64."""
        if self.address.version == 4:
            return self.address
        return IPv6Address(int(self.address) >> _OF_ONE_BITS << _OF_ONE_BITS)

    @property
    def in_grpc(self) -> str:
        """As `ServicerContext.peer()` names it."""
        if self.address.version == 4:
            return f"ipv4:{self.address}:{self.port}"
        return f"ipv6:%5B{self.address}%5D:{self.port}"


@dataclass(frozen=True, slots=True)
class Counts:
    """Bytes of a connection since it was made: taken by the peer, and come from it.

    `on_its_way`: whether some were sent and not taken so far.
    """

    taken: int
    come: int
    on_its_way: bool = False


class OwnSockets:
    """Those of one port. Looking costs some microseconds a connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        # By number, with the inode: a number is soon another file's.
        self._others: dict[int, int] = {}
        self._peers: dict[int, tuple[Place, Peer]] = {}
        self._listeners: set[int] = set()

    def look(self) -> Iterator[tuple[Peer, Counts]]:
        """All connections."""
        files = _open_files()
        self._others = {
            file: inode for file, inode in self._others.items() if _inode_of(file) == inode
        }
        self._listeners &= files
        for gone in self._peers.keys() - files:
            del self._peers[gone]
        for file in files - self._others.keys() - self._listeners - self._peers.keys():
            self._sort_in(file)
        for file in list(self._peers):
            # The number may be another one's by now: who is at the other end tells.
            with suppress(OSError), _borrowed(file) as connection:
                if connection.getpeername() != self._peers[file][0]:
                    del self._peers[file]
                    self._sort_in(file)
                    if file not in self._peers:
                        continue
                raw = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
                if len(raw) == _TCP_INFO_BYTES:
                    yield self._peers[file][1], _counts_of(raw)
                continue
            del self._peers[file]

    def cut(self, peers: Iterable[Peer]) -> int:
        """End the connections to these peers, and say how many there were."""
        wanted, cut = set(peers), 0
        for file, (place, peer) in list(self._peers.items()):
            if peer not in wanted:
                continue
            # A copy, so that nobody else gets the number meanwhile.
            with suppress(OSError), closing(socket.socket(fileno=os.dup(file))) as connection:
                if connection.getpeername() == place:
                    _reset(connection)
                    cut += 1
        return cut

    def shut_out(self, addresses: Iterable[Address]) -> bool:
        """Let the kernel drop what these send to the listeners; who is connected stays.

        Needs no privilege: it is a filter of our own sockets. At most MOST_SHUT_OUT count. False
        where it could not be done for each listener.
        """
        program = program_against(list(addresses)[:MOST_SHUT_OUT])
        done = 0
        for file in self._listeners:
            with suppress(OSError), _borrowed(file) as listener:
                if program:
                    _attach(listener, program)
                else:
                    _detach(listener)
                done += 1
        return done == len(self._listeners)

    def _sort_in(self, file: int) -> None:
        try:
            with _borrowed(file) as found:
                is_ours = found.getsockname()[1] == self._port
                if not is_ours:
                    self._others[file] = _inode_of(file)
                elif found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    self._listeners.add(file)
                else:
                    place = found.getpeername()
                    self._peers[file] = place, _peer_of(place)
        # No socket; one without a port; one that has just ended, or is another one by now.
        except (OSError, IndexError, ValueError):
            if not _is_socket(file):
                self._others[file] = _inode_of(file)


def _counts_of(raw: bytes) -> Counts:
    taken, come, not_sent = _COUNTS.unpack_from(raw, _COUNTS_AT)
    (unacked,) = _UNACKED.unpack_from(raw, _UNACKED_AT)
    return Counts(taken, come, on_its_way=bool(not_sent or unacked))


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether it belongs to one of them."""
    return any(address in network for network in networks)


def program_against(addresses: Iterable[Address]) -> bytes:
    """Classic BPF that drops the packets of these, of IPv6 of their /64; empty without any."""
    fours = [each for each in addresses if each.version == 4]
    sixes = [each for each in addresses if each.version == 6]
    if not fours and not sixes:
        return b""
    of_four, of_six = [*_tests(fours, _IPV4_SOURCE)], [*_tests(sixes, _IPV6_SOURCE)]
    ends = [(_RETURN, 0, 0, _WHOLE)]
    code = [
        (_LOAD_BYTE, 0, 0, _NETWORK_HEADER),
        (_AND, 0, 0, 0xF0),
        (_EQUAL, 0, len(of_four) + 1, 0x40),
        *of_four,
        *ends,
        *of_six,
        *ends,
    ]
    return b"".join(_INSTRUCTION.pack(*each) for each in code)


def _tests(addresses: Sequence[Address], source_at: int) -> Iterator[tuple[int, int, int, int]]:
    for address in addresses:
        packed = address.packed[: _OF_ONE_BITS // 8]  # of IPv4 all
        words = struct.unpack(f">{len(packed) // 4}I", packed)
        for index, word in enumerate(words):
            rest = 2 * (len(words) - 1 - index) + 1
            yield (_LOAD_WORD, 0, 0, _NETWORK_HEADER + source_at + 4 * index)
            yield (_EQUAL, 0, rest, word)
        yield (_RETURN, 0, 0, _NOTHING)


def _attach(listener: socket.socket, program: bytes) -> None:
    memory = ctypes.create_string_buffer(program, len(program))
    count = len(program) // _INSTRUCTION.size
    argument = struct.pack("@HP", count, ctypes.addressof(memory))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, argument)


def _detach(listener: socket.socket) -> None:
    # ENOENT: it has none.
    with suppress(FileNotFoundError):
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)


def _reset(connection: socket.socket) -> None:
    """End a connection at once, whoever else has it open, and drop what it has sent.

    After `shutdown` the kernel goes on to take what comes, and whoever reads gets it. To connect
    a socket to no family ends what it was connected to (connect(2)), with a reset.
    """
    nowhere = struct.pack("@H14x", socket.AF_UNSPEC)
    if _LIBC.connect(connection.fileno(), nowhere, len(nowhere)) != 0:
        connection.shutdown(socket.SHUT_RDWR)


class _borrowed:  # noqa: N801
    """Somebody else's file as a socket, which is not closed."""

    __slots__ = ("_socket",)

    def __init__(self, file: int) -> None:
        self._socket = socket.socket(fileno=file)

    def __enter__(self) -> socket.socket:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.detach()


def _peer_of(place: Place) -> Peer:
    address = ip_address(place[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return Peer(mapped or address, place[1])


def _open_files() -> set[int]:
    try:
        return {int(each.name) for each in _OPEN_FILES.iterdir()}
    except FileNotFoundError:
        return set()


def _inode_of(file: int) -> int:
    try:
        return os.fstat(file).st_ino
    except OSError:
        return -1


def _is_socket(file: int) -> bool:
    try:
        return str((_OPEN_FILES / str(file)).readlink()).startswith("socket:")
    except OSError:
        return False
