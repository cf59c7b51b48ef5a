"""The process's own connections, on real sockets: counted, cut, and kept out by the kernel."""

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import ip_address

import pytest
from zikao_kit.own_sockets import OwnSockets, Peer, program_against

BRIEF_SECONDS = 0.3


class Place:
    """A listener, and who connects to it."""

    def __init__(self, stack: ExitStack, family: socket.AddressFamily, host: str) -> None:
        self._stack = stack
        self._listener = stack.enter_context(socket.create_server((host, 0), family=family))
        self.host, self.port = self._listener.getsockname()[:2]
        self.sockets = OwnSockets(self.port)
        # The server's ends of what is connected, in its order.
        self.accepted: list[socket.socket] = []

    def connected(self, source: str) -> tuple[socket.socket, Peer]:
        """A connection from an address, and how the server sees it."""
        client = socket.create_connection(
            (self.host, self.port), timeout=BRIEF_SECONDS, source_address=(source, 0)
        )
        self._stack.enter_context(client)
        self.accepted.append(self._stack.enter_context(self._listener.accept()[0]))
        return client, Peer(ip_address(source), client.getsockname()[1])

    def seen(self) -> dict[Peer, int]:
        """What came of each, as far as one looks at it."""
        return {peer: counts.come for peer, counts in self.sockets.look()}


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """IPv4 and IPv6."""
    with ExitStack() as stack:
        yield Place(stack, *request.param)


def test_what_comes_is_counted_of_each_connection_of_the_port(place: Place) -> None:
    """Each by its peer, other sockets of the process left out, gone ones forgotten."""
    first, first_peer = place.connected(place.host)
    _, second_peer = place.connected(place.host)
    first.sendall(b"a" * 1000)
    seen = place.seen()
    assert seen == {first_peer: 1000, second_peer: 0}
    assert first_peer.in_grpc.endswith(f":{first_peer.port}")


def test_what_is_on_its_way_is_told(place: Place) -> None:
    """As long as the peer's kernel has not taken all of it."""
    client, peer = place.connected(place.host)
    (server,) = place.accepted
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:
            server.send(bytes(65_536))
    assert dict(place.sockets.look())[peer].on_its_way
    with pytest.raises(TimeoutError):
        while client.recv(1_000_000):
            pass
    counts = dict(place.sockets.look())[peer]
    assert counts.taken > 65_536
    assert not counts.on_its_way


def test_a_connection_is_cut(place: Place) -> None:
    """Its peer is told so, nobody reads what it had sent, and others go on."""
    first, first_peer = place.connected(place.host)
    second, second_peer = place.connected(place.host)
    place.seen()
    assert place.sockets.cut([first_peer]) == 1
    with pytest.raises(ConnectionResetError):
        first.recv(1)
    second.sendall(b"a")
    assert place.seen()[second_peer] == 1
    assert place.sockets.cut([Peer(first_peer.address, 1)]) == 0


def test_a_number_that_another_file_had_is_looked_at_anew(place: Place) -> None:
    """Files come and go between two looks, and numbers are given again at once."""
    first, second = socket.socketpair()
    place.seen()
    first.close()
    second.close()
    _, peer = place.connected(place.host)
    assert place.seen() == {peer: 0}


def test_a_number_that_a_connection_had_is_looked_at_anew(place: Place) -> None:
    """It may be a connection of another port by now, or a socket of the machine without a name."""
    place.connected(place.host)
    _, stays = place.connected(place.host)
    with ExitStack() as stack:
        elsewhere = Place(stack, socket.AF_INET, "127.0.0.1")
        elsewhere.connected(elsewhere.host)
        for other in (*socket.socketpair(), *elsewhere.accepted):
            stack.enter_context(other)
            _, peer = place.connected(place.host)
            assert place.seen().keys() >= {peer, stays}
            os.dup2(other.fileno(), place.accepted[-1].fileno())
            assert peer not in (seen := place.seen())
            assert stays in seen
            assert len(seen) == 2
            assert place.sockets.cut([peer]) == 0


def test_an_address_is_kept_out_by_the_kernel(place: Place) -> None:
    """It does not even connect; whoever was connected stays, and later it is let in again."""
    client, peer = place.connected(place.host)
    place.seen()
    others = [ip_address("192.0.2.7"), ip_address("2001:db8::7")]
    place.sockets.shut_out(others)
    place.connected(place.host)
    place.sockets.shut_out([*others, ip_address(place.host)])
    with pytest.raises(OSError, match="timed out"):
        place.connected(place.host)
    client.sendall(b"a")
    assert place.seen()[peer] == 1
    place.sockets.shut_out([])
    place.connected(place.host)


def test_of_ipv6_the_whole_64_is_kept_out() -> None:
    """Whoever has one of its addresses has them all; another network is let in."""
    with ExitStack() as stack:
        place = Place(stack, socket.AF_INET6, "::1")
        place.seen()
        place.sockets.shut_out([ip_address("0:0:0:1::")])
        place.connected("::1")
        place.sockets.shut_out([ip_address("::7")])
        with pytest.raises(OSError, match="timed out"):
            place.connected("::1")


def test_an_address_of_ipv6_stands_for_its_64() -> None:
    """One of IPv4 for itself."""
    origins = [Peer(ip_address(each), 1).origin for each in ("2001:db8::7:1", "192.0.2.7")]
    assert origins == [ip_address("2001:db8::"), ip_address("192.0.2.7")]


def test_another_address_of_the_machine_is_let_in() -> None:
    """Only the one that is named is kept out."""
    with ExitStack() as stack:
        place = Place(stack, socket.AF_INET, "127.0.0.1")
        place.seen()
        place.sockets.shut_out([ip_address("127.0.0.66")])
        place.connected("127.0.0.1")
        with pytest.raises(OSError, match="timed out"):
            place.connected("127.0.0.66")


def test_nobody_kept_out_needs_no_program() -> None:
    """An empty one is none, which the kernel would refuse."""
    assert program_against([]) == b""
