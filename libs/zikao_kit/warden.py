"""Who sends much of which no call sees anything is let go, before it costs all others.

gRPC works on what a connection sends before any code of ours hears of a call: frames that ask for
nothing (SETTINGS, WINDOW_UPDATE, header blocks and messages without an end) never get further, and
keep cores and memory from everybody. Who owes too much by the `ledger` is let go; an address that
goes on with it all the same, and from which nobody calls, is not heard for a while. Nor is one
that makes more connections than it may, until it may again: each costs a handshake. Addresses of
IPv6 are taken by the /64: whoever has one has them all.

Nobody is let go for many calls: those are seen, and admission sees to them.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter, defaultdict, deque
from collections.abc import Container, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog
from prometheus_client import Counter as Metric

from zikao_kit.config import Network, ServerConfig, networks_of
from zikao_kit.ledger import Ledger, Limits, Seen
from zikao_kit.own_sockets import MOST_SHUT_OUT, Address, OwnSockets, Peer, is_within
from zikao_kit.silence import Silence

LOOK_SECONDS = 0.2
# Where answers seem not to be taken it looks sooner, and again after so many turns of the loop.
SOON_SECONDS = 0.05
TURNS, TURN_SECONDS = 6, 0.005
# Looking costs a process no more than this share of its time, however many connections it has.
MOST_OF_THE_TIME = 0.03
# A process of one loop that wants more than this share of a core has nothing to spare for a flood.
BUSY = 0.8
_SCHEDULED = Path("/proc/thread-self/schedstat")
# An address of which so many debtors were let go in so long is not heard, unless somebody has
# called from there meanwhile.
CUTS_TO_SHUT_OUT = 4
CUTS_SECONDS = 60.0
SHUT_OUT_SECONDS = 60.0
# What an address may have saved up of new connections: a portal begins with some at once.
SAVED_SECONDS = 5
# A connection that is there stands for so many that have come and gone, at most.
MOST_FOR_ONE = 8
COMPLAIN_SECONDS = 60.0

CUT = Metric(
    "zikao_connections_cut",
    "Connections that were let go, by cause: owing, unread, owing in all, too many, shut out (of"
    " an address that is not heard any more).",
    ["cause"],
)
SHUT_OUT = Metric(
    "zikao_addresses_shut_out",
    "Addresses that were not heard for a while, by cause: owing (debts, or answers that were not"
    " taken), arrivals (too many connections, or too many silent ones).",
    ["cause"],
)
log = structlog.get_logger()


class ShutOut:
    """Addresses that are not heard for a while because of their debtors; never shared ones."""

    def __init__(self, shared: Sequence[Network] = ()) -> None:
        self._shared = shared
        self._cut: dict[Peer, float] = {}
        self._callers: dict[Peer, float] = {}
        self._until: dict[Address, float] = {}

    def judge(self, cut: Iterable[Peer], callers: Iterable[Peer], now: float) -> set[Address]:
        """Who is not to be heard from now on, when these were let go, and those call."""
        debtors = dict.fromkeys(cut, now)
        self._cut = _of_late(self._cut | debtors, now)
        self._callers = _of_late(self._callers | dict.fromkeys(callers, now), now)
        for peer in debtors:
            self._callers.pop(peer, None)
        for origin in self._too_often():
            self._until.pop(origin, None)  # the last in the order is the newest
            self._until[origin] = now + SHUT_OUT_SECONDS
            self._cut = {peer: at for peer, at in self._cut.items() if peer.origin != origin}
        self._until = {each: until for each, until in self._until.items() if until > now}
        return set(list(self._until)[-MOST_SHUT_OUT:])

    def _too_often(self) -> list[Address]:
        cuts = Counter(
            peer.origin for peer in self._cut if not is_within(peer.address, self._shared)
        )
        often = [origin for origin, count in cuts.items() if count >= CUTS_TO_SHUT_OUT]
        called = {peer.origin for peer in self._callers} if often else set()
        return [origin for origin in often if origin not in called]


def _of_late(times: Mapping[Peer, float], now: float) -> dict[Peer, float]:
    return {peer: at for peer, at in times.items() if now - at < CUTS_SECONDS}


class Bell:
    """Rings for each new connection, in whichever thread of gRPC."""

    def __init__(self) -> None:
        self._count = itertools.count()
        self._heard = 0

    def ring(self) -> None:
        """Somebody is at the door."""
        next(self._count)

    def rung(self) -> int:
        """How often, since it was asked last."""
        before, self._heard = self._heard, next(self._count)
        return max(0, self._heard - before - 1)


class Arrivals:
    """New connections of each address: so many a second, and some seconds' worth saved up.

    Most of those that come and go at once are gone when somebody looks: they are put down to those
    that are there and have not called.
    """

    def __init__(self, per_second: float, shared: Sequence[Network] = ()) -> None:
        self._per_second = per_second
        self._shared = shared
        # Those that have not saved up all they may; below 0 they have taken more.
        self._left: dict[Address, float] = {}

    def judge(
        self, newcomers: Sequence[Peer], silent: Container[Peer], made: int, seconds: float
    ) -> set[Address]:
        """Who is not to be heard until the next look.

        Of `made` connections since the last one these `newcomers` are there, and of those these
        `silent` have not called.
        """
        most = self._per_second * SAVED_SECONDS
        came = self._came(newcomers, silent, made)
        self._left = {
            address: max(-most, left - came.get(address, 0))
            for address in self._left.keys() | came.keys()
            if (left := min(most, self._left.get(address, most) + self._per_second * seconds))
            < most
            or address in came
        }
        return {address for address, left in self._left.items() if left < 0}

    def _came(
        self, newcomers: Sequence[Peer], silent: Container[Peer], made: int
    ) -> Mapping[Address, float]:
        unseen = max(0, made - len(newcomers))
        suspects = sum(peer in silent for peer in newcomers)
        each = min(MOST_FOR_ONE, 1 + unseen / max(1, suspects))
        came: defaultdict[Address, float] = defaultdict(float)
        for peer in newcomers:
            if not is_within(peer.address, self._shared):
                came[peer.origin] += each if peer in silent else 1
        return came


def wanted_seconds() -> float:
    """How long this process has worked with all its threads, or this thread would have.

    Who has to share a core, or has a limit below one, has nothing to spare with less than all of
    one: the kernel counts how long a thread was ready and had none, in nanoseconds.
    """
    try:
        waited = int(_SCHEDULED.read_bytes().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):  # another system, or a kernel that does not count it
        waited = 0.0
    return time.process_time() + waited


class Work:
    """How much of a core this process wants."""

    def __init__(self, now: float, wanted: float) -> None:
        self._marks = deque([(now, wanted)])

    def is_hard(self, now: float, wanted: float) -> bool:
        """Whether it is nearly all of one, or more, when it has `wanted` so many seconds by now.

        For `LOOK_SECONDS` at least: a shorter time says nothing, as each call is work.
        """
        while len(self._marks) > 1 and now - self._marks[1][0] >= LOOK_SECONDS:
            self._marks.popleft()
        begun, before = self._marks[0]
        self._marks.append((now, wanted))
        return wanted - before > BUSY * (now - begun)


class Warden:
    """Looks again and again."""

    def __init__(self, port: int, seen: Seen, bell: Bell, config: ServerConfig) -> None:
        self._sockets = OwnSockets(port)
        self._seen = seen
        self._bell = bell
        shared = self._shared = networks_of(config.shared_addresses)
        self._ledger = Ledger(Limits.of(config), shared)
        self._shut_out = ShutOut(shared)
        self._arrivals = Arrivals(config.max_new_connections_per_second, shared)
        self._silence = Silence(config.max_new_connections_per_second, shared)
        self._not_heard: dict[Address, str] = {}
        self._looked_at = time.monotonic()
        self._work = Work(self._looked_at, wanted_seconds())
        self._complained_at = -math.inf

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            begun = time.thread_time()
            try:
                self.look()
            except Exception:  # who is on guard does not fall for one look
                self._complain()
            took = time.thread_time() - begun
            await self._rest(took / MOST_OF_THE_TIME)

    async def _rest(self, least_seconds: float) -> None:
        """Until the next look: it is sooner where answers seem not to be taken."""
        unread = self._seen.unread
        if unread.has_new_suspects:
            # What was answered needs some turns of the loop until it is known to have gone out.
            await asyncio.sleep(least_seconds - TURNS * TURN_SECONDS)
            for _ in range(TURNS):
                await asyncio.sleep(TURN_SECONDS)
            return
        soon_seconds = max(SOON_SECONDS, least_seconds)
        await asyncio.sleep(soon_seconds)
        if not unread.has_suspects and (rest := LOOK_SECONDS - soon_seconds) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(unread.alarm.wait(), rest)

    def look(self) -> None:
        """Let go of whom the ledger names, and do not hear who comes again and again."""
        now = time.monotonic()
        seconds, self._looked_at = now - self._looked_at, now
        seen, made, is_busy = (
            self._seen.take(),
            self._bell.rung(),
            self._work.is_hard(now, wanted_seconds()),
        )
        looked = list(self._sockets.look())
        verdict = self._ledger.settle(looked, seen, seconds, is_busy=is_busy)
        unread = self._seen.unread.look(looked, self._shared)
        if not is_busy:
            unread = []
        debtors = self._shut_out.judge([*verdict.owing, *unread], self._ledger.callers(), now)
        arrivals = self._too_many_arrivals(verdict.newcomers, made, seconds, is_busy=is_busy)
        new = {each for each in debtors if self._not_heard.get(each) != "owing"}
        # First of all: whoever is let go comes again within milliseconds.
        not_heard = dict.fromkeys(debtors, "owing")
        self._hear_no_more(
            not_heard | dict.fromkeys(sorted(arrivals - debtors, key=str), "arrivals")
        )
        self._let_go(verdict.owing, "owing")
        self._let_go(unread, "unread")
        self._let_go(verdict.in_all, "owing in all")
        self._let_go(verdict.too_many, "too many")
        if new:
            self._let_go([peer for peer, _ in looked if peer.origin in new], "shut out")

    def _too_many_arrivals(
        self, newcomers: Sequence[Peer], made: int, seconds: float, *, is_busy: bool
    ) -> set[Address]:
        """Addresses that make too many connections; while it is busy, also silent ones."""
        has_called, connected = self._ledger.has_called, self._ledger.accounts
        silent = {each for each in newcomers if not has_called(each)}
        arrivals = self._arrivals.judge(newcomers, silent, made, seconds)
        silent_ones = self._silence.judge(newcomers, connected, has_called, seconds)
        return arrivals | silent_ones if is_busy else arrivals

    def _complain(self) -> None:
        """At most now and then: there may be a reason that lasts, and another look is soon."""
        if time.monotonic() - self._complained_at > COMPLAIN_SECONDS:
            self._complained_at = time.monotonic()
            log.exception("connections cannot be looked at")

    def _hear_no_more(self, not_heard: dict[Address, str]) -> None:
        """Let the kernel drop what these send to the listeners; debtors before all others."""
        not_heard = dict(list(not_heard.items())[:MOST_SHUT_OUT])
        if not_heard == self._not_heard or not self._sockets.shut_out(not_heard):
            return  # not all listeners: again at the next look
        new = {each: cause for each, cause in not_heard.items() if each not in self._not_heard}
        for cause in new.values():
            SHUT_OUT.labels(cause).inc()
        if new:
            log.warning("not heard for a while", addresses={str(e): new[e] for e in new})
        self._not_heard = not_heard

    def _let_go(self, peers: list[Peer], cause: str) -> None:
        if not peers:
            return
        count = self._sockets.cut(peers)
        CUT.labels(cause).inc(count)
        addresses = sorted({str(peer.address) for peer in peers})
        log.warning("connections let go", cause=cause, count=count, addresses=addresses[:8])
