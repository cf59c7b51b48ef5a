"""Whose address is not heard for a while, and when it is again: judged without sockets."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

from zikao_kit.own_sockets import Peer
from zikao_kit.warden import (
    CUTS_TO_SHUT_OUT,
    LOOK_SECONDS,
    SAVED_SECONDS,
    SHUT_OUT_SECONDS,
    Arrivals,
    Bell,
    ShutOut,
    Work,
    wanted_seconds,
)

ABUSER = Peer(ip_address("10.0.0.3"), 1)
SHARED = [ip_network("10.0.0.0/29")]


def peers(address: str, count: int) -> list[Peer]:
    """So many connections of an address."""
    return [Peer(ip_address(address), port) for port in range(1, count + 1)]


def test_who_is_let_go_again_and_again_is_not_heard_for_a_while() -> None:
    """An address that has only such connections; after a while it is heard again."""
    shut_out, crowd = ShutOut(), peers("10.0.0.3", CUTS_TO_SHUT_OUT)
    assert shut_out.judge(crowd[1:], crowd[1:], 0.0) == set()
    assert shut_out.judge(crowd[:1], crowd[:1], 10.0) == {ABUSER.address}
    assert shut_out.judge([], [], 9.0 + SHUT_OUT_SECONDS) == {ABUSER.address}
    assert shut_out.judge([], [], 11.0 + SHUT_OUT_SECONDS) == set()


def test_debtors_of_an_address_add_up_over_a_minute() -> None:
    """One now and then, too: each counts once, however often it is named."""
    shut_out = ShutOut()
    for _ in range(CUTS_TO_SHUT_OUT):
        assert shut_out.judge([ABUSER], [], 0.0) == set()
    others = peers("10.0.0.3", CUTS_TO_SHUT_OUT)[1:]
    judged = [shut_out.judge([each], [], 15.0 * number) for number, each in enumerate(others, 1)]
    assert judged[-2:] == [set(), {ABUSER.address}]


def test_an_address_from_which_somebody_calls_is_heard() -> None:
    """However many others are let go, look after look, and also between two of its calls."""
    shut_out, (caller, *crowd) = ShutOut(), peers("10.0.0.3", 301)
    for look, debtor in enumerate(crowd):
        calls = [caller] if look % 100 == 0 else []
        assert shut_out.judge([debtor], [*calls, debtor], look * 0.5) == set()
    assert shut_out.judge(crowd, [], 300.0) == {ABUSER.address}


def test_debtors_that_have_called_do_not_speak_for_their_address() -> None:
    """A call before the flood makes nobody honest."""
    shut_out, crowd = ShutOut(), peers("10.0.0.3", CUTS_TO_SHUT_OUT)
    assert shut_out.judge([], crowd, 0.0) == set()
    assert shut_out.judge(crowd, crowd, 1.0) == {ABUSER.address}


def test_a_shared_address_is_heard_whatever_comes_from_there() -> None:
    """A gateway that passes connections on is one address for everybody behind it."""
    shut_out = ShutOut(SHARED)
    for look, debtor in enumerate(peers("10.0.0.3", 300)):
        assert shut_out.judge([debtor], [], look * 0.2) == set()


def test_debtors_of_a_64_of_ipv6_count_together() -> None:
    """Each connection from another address of it is no way round."""
    crowd = [Peer(ip_address(f"2001:db8::{number}"), 1) for number in range(CUTS_TO_SHUT_OUT)]
    assert ShutOut().judge(crowd, [], 0.0) == {ip_address("2001:db8::")}


def test_an_address_that_mostly_behaves_is_heard() -> None:
    """Behind a gateway one abuser does not take the others with it."""
    crowd = peers("10.0.0.3", 10 * CUTS_TO_SHUT_OUT)
    assert ShutOut().judge(crowd[:CUTS_TO_SHUT_OUT], crowd, 0.0) == set()


def test_many_may_come_at_once_and_then_so_many_a_second() -> None:
    """Beyond that an address is not heard until it may make new connections again."""
    arrivals = Arrivals(10)
    assert arrivals.judge(peers("10.0.0.3", 10 * SAVED_SECONDS), (), 0, 1.0) == set()
    assert arrivals.judge(peers("10.0.0.3", 10), (), 10, 1.0) == set()
    assert arrivals.judge(peers("10.0.0.3", 25), (), 25, 1.0) == {ABUSER.address}
    assert arrivals.judge([], (), 0, 1.0) == {ABUSER.address}
    assert arrivals.judge([], (), 0, 1.0) == set()


def test_who_makes_no_more_connections_than_may_be_is_always_heard() -> None:
    """For hours, and nobody else's count."""
    arrivals, crowd = Arrivals(10), [*peers("10.0.0.3", 2), *peers("10.0.0.4", 2)]
    assert not any(arrivals.judge(crowd, (), 4, 0.2) for _ in range(10_000))


def test_new_connections_of_a_shared_address_are_not_counted() -> None:
    """A gateway makes one for each caller."""
    assert Arrivals(10, SHARED).judge(peers("10.0.0.3", 1_000), (), 1_000, 0.2) == set()


def test_new_connections_of_a_64_of_ipv6_count_together() -> None:
    """Each from another address of it is no way round."""
    crowd = [Peer(ip_address(f"2001:db8::{number:x}"), 1) for number in range(200)]
    assert Arrivals(10).judge(crowd, (), 200, 0.2) == {ip_address("2001:db8::")}


def test_who_has_gone_is_put_down_to_those_who_are_there_and_silent() -> None:
    """A flood of connections that end at once; beside it somebody who connects now and then."""
    arrivals, (caller,), crowd = Arrivals(20), peers("10.0.0.4", 1), peers("10.0.0.3", 9)
    assert arrivals.judge([caller, *crowd], crowd, 60, 0.2) == set()
    assert arrivals.judge([caller, *crowd], crowd, 60, 0.2) == {ABUSER.address}
    assert arrivals.judge([caller], [caller], 10_000, 0.2) == {ABUSER.address}


def test_whoever_makes_too_many_is_heard_again_soon() -> None:
    """However many they were."""
    arrivals = Arrivals(10)
    assert arrivals.judge(peers("10.0.0.3", 5_000), (), 5_000, 0.2) == {ABUSER.address}
    assert arrivals.judge([], (), 0, SAVED_SECONDS) == set()


def test_a_moment_of_work_is_not_hard() -> None:
    """Only what goes on for a while is; how often somebody asks makes no difference."""
    work, moment = Work(100.0, 7.0), LOOK_SECONDS / 4
    assert not work.is_hard(100.0 + LOOK_SECONDS, 7.0)
    now = 100.0 + LOOK_SECONDS
    judged = []
    for number in range(1, 9):
        judged.append(work.is_hard(now + number * moment, 7.0 + number * moment))
    assert judged == [False] * 3 + [True] * 5
    assert not work.is_hard(now + 20 * moment, 7.0 + 9 * moment)


@contextmanager
def neighbours(count: int) -> Iterator[None]:
    """So many processes that never rest, on one core with this thread."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})  # who is started stays there
    command = (sys.executable, "-c", "print(flush=True)\nwhile True: pass")
    others = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(count)]
    try:
        for other in others:
            assert other.stdout is not None
            other.stdout.readline()
        yield
    finally:
        for other in others:
            other.kill()
            other.communicate()
        os.sched_setaffinity(0, before)


def test_who_has_to_share_a_core_is_busy_with_a_part_of_it() -> None:
    """As with a limit below one: what it cannot have it wants nevertheless."""
    with neighbours(3):
        begun, worked, wanted = time.monotonic(), time.process_time(), wanted_seconds()
        work = Work(begun, wanted)
        while time.monotonic() < begun + 1.0:
            pass
        now = time.monotonic()
        assert time.process_time() - worked < 0.6 * (now - begun)
        assert work.is_hard(now, wanted_seconds())


def test_who_rests_is_not_busy() -> None:
    """However many there are beside it."""
    with neighbours(1):
        begun = time.monotonic()
        work = Work(begun, wanted_seconds())
        for _ in range(5):
            time.sleep(0.1)
        assert not work.is_hard(time.monotonic(), wanted_seconds())


def test_a_bell_counts_who_has_come_since_it_was_asked() -> None:
    """From any thread."""
    bell = Bell()
    assert bell.rung() == 0
    with ThreadPoolExecutor(4) as threads:
        for _ in range(100):
            threads.submit(bell.ring)
    assert bell.rung() == 100
    assert bell.rung() == 0
