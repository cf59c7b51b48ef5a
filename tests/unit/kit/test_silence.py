"""Whose address brings connections and no calls: judged without sockets."""

from collections.abc import Collection
from ipaddress import ip_address, ip_network

from zikao_kit.own_sockets import Address, Peer
from zikao_kit.silence import PART, PAUSE_SECONDS, Silence

ADDRESS = ip_address("10.0.0.3")
SHARED = [ip_network("10.0.0.0/29")]
PER_SECOND = 50


def peers(count: int, first: int = 1) -> list[Peer]:
    """So many connections of an address."""
    return [Peer(ADDRESS, port) for port in range(first, first + count)]


class Door:
    """Who has come so far, all of them connected; of them some have called."""

    def __init__(self, silence: Silence) -> None:
        self._silence = silence
        self.connected: set[Peer] = set()
        self.called: set[Peer] = set()

    def after(self, newcomers: Collection[Peer], seconds: float = 0.0) -> set[Address]:
        """Who is not to be heard when these have come."""
        self.connected |= set(newcomers)
        return self._silence.judge(
            newcomers, self.connected, lambda peer: peer in self.called, seconds
        )


def test_some_may_be_silent_and_then_a_part_as_many_a_second() -> None:
    """Until there may be one more again."""
    door = Door(Silence(PER_SECOND))
    assert door.after(peers(PER_SECOND)) == set()
    assert door.after(peers(1, 1_000)) == {ADDRESS}
    assert door.after([], 1.0) == set()
    a_second = round(PER_SECOND * PART)
    assert door.after(peers(a_second - 1, 2_000)) == set()
    assert door.after(peers(2, 3_000)) == {ADDRESS}


def test_who_calls_is_given_back() -> None:
    """A portal that connects with many and calls over them, however many they are."""
    door = Door(Silence(PER_SECOND))
    for number in range(100):
        crowd = peers(PER_SECOND, 1 + 100 * number)
        assert door.after(crowd) == set()
        door.called |= set(crowd)
        assert door.after([]) == set()


def test_who_has_called_by_the_first_look_is_not_silent() -> None:
    """Many of them at once."""
    door = Door(Silence(PER_SECOND))
    door.called |= set(peers(1_000))
    assert door.after(peers(1_000)) == set()


def test_calls_do_not_save_up_for_silence() -> None:
    """Given back is what was taken, and no more."""
    door = Door(Silence(PER_SECOND))
    crowd = peers(PER_SECOND)
    door.after(crowd)
    door.called |= set(crowd)
    for _ in range(100):
        door.after([], 10.0)
    assert door.after(peers(PER_SECOND + 1, 1_000)) == {ADDRESS}


def test_whoever_has_gone_without_a_call_is_not_given_back() -> None:
    """It has cost its handshake."""
    door = Door(Silence(PER_SECOND))
    door.after(peers(PER_SECOND))
    door.connected.clear()
    assert door.after(peers(1, 1_000)) == {ADDRESS}


def test_however_many_have_come_the_address_is_heard_again_soon() -> None:
    """Somebody honest may come from there."""
    door = Door(Silence(PER_SECOND))
    assert door.after(peers(10_000)) == {ADDRESS}
    assert door.after([], PAUSE_SECONDS) == set()


def test_behind_a_shared_address_nobody_is_counted() -> None:
    """A gateway makes a connection for each caller."""
    assert Door(Silence(PER_SECOND, SHARED)).after(peers(1_000)) == set()
