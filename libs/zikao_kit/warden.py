"""Who sends much of which no call sees anything is let go, before it costs all others.

gRPC works on what a connection sends before any code of ours hears of a call: frames that ask for
nothing (SETTINGS, WINDOW_UPDATE, header blocks and messages without an end) never get further, and
keep cores and memory from everybody. So what came over each connection, as the kernel counts it
(`own_sockets`), is compared with what calls have shown of it. The difference is the connection's
debt, of which a little is forgiven all the time. Who owes too much is let go; an address that goes
on with it all the same, and from which nobody calls, is not heard for a while. Addresses of IPv6
are taken by the /64: whoever has one has them all.

Nobody is let go for many calls: those are seen, and admission sees to them.
"""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from prometheus_client import Counter as Metric

from zikao_kit.config import KIBIBYTE, MEBIBYTE, Network, ServerConfig, networks_of
from zikao_kit.own_sockets import MOST_SHUT_OUT, Address, Counts, OwnSockets, Peer

LOOK_SECONDS = 0.2
# Looking costs a process no more than this share of its time, however many connections it has.
MOST_OF_THE_TIME = 0.03
# What a call brings beside its metadata and messages: headers that gRPC keeps to itself, frames,
# TLS records, word of what the caller has read.
CALL_BYTES = 512
# The same of a message; of a large one a part, as it comes in many frames.
MESSAGE_BYTES, MESSAGE_PART = 128, 32
# What needs no call: pings, settings, the handshake.
FORGIVEN_BYTES_A_SECOND = 16 * KIBIBYTE
# Who reads says so: at most a WINDOW_UPDATE for every so many bytes that it was sent.
TAKEN_FOR_ONE = 32
# Messages under way are a debt until they are whole: as many of the largest at once.
MESSAGES_UNDER_WAY = 16
# While what nobody sees is most of what comes, and much, or gRPC's threads work more than ours do,
# fewer: frames of a few bytes cost more than messages. But whoever causes that, honest senders of
# photos are connected meanwhile: each may have as many under way as calls have shown bytes of its
# connection before, and these beside. 100 streams may send 64 KiB each before they are let.
MESSAGES_IN_DISTRESS = 2
MUCH_BYTES_A_SECOND = 4 * MEBIBYTE
MUCH_WORK = 0.25
# All debts together, in messages of the largest kind: that much memory may be lost to them.
MESSAGES_IN_ALL = 64
# An address of which so many debtors were let go in so long is not heard, unless somebody has
# called from there meanwhile.
CUTS_TO_SHUT_OUT = 4
CUTS_SECONDS = 60.0
SHUT_OUT_SECONDS = 60.0

CUT = Metric("zikao_connections_cut", "Connections that were let go, by cause.", ["cause"])
SHUT_OUT = Metric("zikao_addresses_shut_out", "Addresses that were not heard for a while.")
log = structlog.get_logger()
_NOTHING = Counts(0, 0)
_THREADS, _THREADS_OF_GRPC = Path("/proc/self/task"), "event_engine"
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


class Seen:
    """What calls have shown of each connection since the warden looked last, in bytes."""

    def __init__(self) -> None:
        self._by_peer: defaultdict[str, int] = defaultdict(int)

    def note(self, peer: str, size: int) -> None:
        """A call of `peer`, as `ServicerContext.peer()` names it, has shown so much."""
        self._by_peer[peer] += size

    def note_message(self, peer: str, size: int) -> None:
        """A message of so many bytes has come, or word that one was read when it is 0."""
        self._by_peer[peer] += size + size // MESSAGE_PART + MESSAGE_BYTES

    def take(self) -> Mapping[str, int]:
        """What has been noted, once."""
        taken, self._by_peer = self._by_peer, defaultdict(int)
        return taken


@dataclass(slots=True)
class Account:
    """A connection: what the kernel had counted at the last look, and what it owes.

    `shown` is what calls have shown of it since it was made.
    """

    counts: Counts = _NOTHING
    debt: float = 0.0
    shown: int = 0

    @property
    def unproven(self) -> float:
        """Its debt beyond what it has proved to be good for."""
        return self.debt - self.shown


@dataclass(frozen=True)
class Limits:
    """Bounds of debts in bytes; `connections_each` is how many an address may have."""

    debt: int
    debt_in_distress: int
    debts: int
    connections_each: int

    @classmethod
    def of(cls, config: ServerConfig) -> Limits:
        """As they follow from what a server takes."""
        largest = config.max_receive_bytes
        return cls(
            debt=MESSAGES_UNDER_WAY * largest,
            debt_in_distress=MESSAGES_IN_DISTRESS * largest,
            debts=MESSAGES_IN_ALL * largest,
            connections_each=config.max_connections_per_address,
        )


@dataclass
class Verdict:
    """Whom to let go, and why."""

    owing: list[Peer] = field(default_factory=list)
    too_many: list[Peer] = field(default_factory=list)


class Ledger:
    """What all connections owe."""

    def __init__(self, limits: Limits, shared: Sequence[Network] = ()) -> None:
        self._limits = limits
        self._shared = shared
        self._accounts: dict[Peer, Account] = {}

    @property
    def debts(self) -> float:
        """All together, in bytes."""
        return sum(account.debt for account in self._accounts.values())

    def callers(self) -> list[Peer]:
        """Those of which calls have shown something."""
        return [peer for peer, account in self._accounts.items() if account.shown]

    def settle(
        self,
        looked: Iterable[tuple[Peer, Counts]],
        seen: Mapping[str, int],
        seconds: float,
        *,
        works_hard: bool = False,
    ) -> Verdict:
        """Take what came in so many seconds into account.

        `works_hard`: gRPC's threads do, for something that is no call.
        """
        accounts: dict[Peer, Account] = {}
        shown, hidden = 0, 0.0
        for peer, counts in looked:
            account = accounts[peer] = self._accounts.get(peer) or Account()
            came = counts.come - account.counts.come
            owed_to = seen.get(peer.in_grpc, 0)
            account.shown += owed_to
            owed_to += (counts.taken - account.counts.taken) // TAKEN_FOR_ONE
            shown += min(came, owed_to)
            hidden += max(0, came - owed_to)
            forgiven = owed_to + FORGIVEN_BYTES_A_SECOND * seconds
            account.counts = counts
            account.debt = max(0.0, account.debt + came - forgiven)
        self._accounts = accounts
        in_distress = works_hard or hidden > max(shown, MUCH_BYTES_A_SECOND * seconds)
        return Verdict(self._owing(in_distress=in_distress), self._too_many())

    def _owing(self, *, in_distress: bool) -> list[Peer]:
        """Those beyond their bound; then the least proven, until all debts are within theirs."""
        unproven = self._limits.debt_in_distress if in_distress else math.inf
        owing: list[Peer] = []
        others: list[Peer] = []
        for peer, account in self._accounts.items():
            is_owing = account.debt > self._limits.debt or account.unproven > unproven
            (owing if is_owing else others).append(peer)
        rest = sum(self._accounts[peer].debt for peer in others)
        for peer in sorted(others, key=lambda each: -self._accounts[each].unproven):
            if rest <= self._limits.debts:
                break
            owing.append(peer)
            rest -= self._accounts[peer].debt
        return owing

    def _too_many(self) -> list[Peer]:
        """Of an address that has more than it may: who has not called yet, the youngest first."""
        most = self._limits.connections_each
        if len(self._accounts) <= most:
            return []
        by_origin: defaultdict[Address, list[Peer]] = defaultdict(list)
        for peer, _ in sorted(self._accounts.items(), key=lambda each: each[1].shown == 0):
            by_origin[peer.origin].append(peer)
        return [
            peer
            for peers in by_origin.values()
            if len(peers) > most and not is_within(peers[0].address, self._shared)
            for peer in peers[most:]
        ]


class ShutOut:
    """Addresses that are not heard for a while; never shared ones."""

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


def is_within(address: Address, networks: Iterable[Network]) -> bool:
    """Whether it belongs to one of them."""
    return any(address in network for network in networks)


class Work:
    """What gRPC's threads work, beside ours."""

    def __init__(self) -> None:
        self._of_grpc, self._ours = _work_of_grpc(), time.thread_time()

    def is_hard(self, seconds: float) -> bool:
        """Whether it was much in the last seconds, and more than ours was."""
        before = self._of_grpc, self._ours
        self._of_grpc, self._ours = _work_of_grpc(), time.thread_time()
        worked = self._of_grpc - before[0]
        return worked > max(MUCH_WORK * seconds, self._ours - before[1])


def _work_of_grpc() -> float:
    """Seconds of its threads that read and write; 0 where that cannot be known."""
    ticks = 0
    for stat in _THREADS.glob("*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().partition("(")[2].rpartition(")")
            if name.startswith(_THREADS_OF_GRPC):
                ticks += sum(int(each) for each in rest.split()[11:13])
    return ticks / _TICKS_A_SECOND


class Warden:
    """Looks again and again."""

    def __init__(self, port: int, seen: Seen, config: ServerConfig) -> None:
        self._sockets = OwnSockets(port)
        self._seen = seen
        shared = networks_of(config.shared_addresses)
        self._ledger = Ledger(Limits.of(config), shared)
        self._shut_out = ShutOut(shared)
        self._not_heard: set[Address] = set()
        self._work = Work()
        self._looked_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            begun = time.perf_counter()
            try:
                self.look()
            except Exception:  # who is on guard does not fall for one look
                log.exception("connections cannot be looked at")
            took = time.perf_counter() - begun
            await asyncio.sleep(max(LOOK_SECONDS, took / MOST_OF_THE_TIME))

    def look(self) -> None:
        """Let go of whom the ledger names, and shut out who comes again and again."""
        now = time.monotonic()
        seconds, self._looked_at = now - self._looked_at, now
        looked = list(self._sockets.look())
        works_hard = self._work.is_hard(seconds)
        verdict = self._ledger.settle(looked, self._seen.take(), seconds, works_hard=works_hard)
        self._let_go(verdict.owing, "owing")
        self._let_go(verdict.too_many, "too many")
        peers = [peer for peer, _ in looked]
        not_heard = self._shut_out.judge(verdict.owing, self._ledger.callers(), now)
        if new := not_heard - self._not_heard:
            SHUT_OUT.inc(len(new))
            self._let_go([peer for peer in peers if peer.origin in new], "shut out")
            log.warning("not heard for a while", addresses=sorted(map(str, new)))
        if not_heard != self._not_heard:
            self._sockets.shut_out(not_heard)
            self._not_heard = not_heard

    def _let_go(self, peers: list[Peer], cause: str) -> None:
        if not peers:
            return
        count = self._sockets.cut(peers)
        CUT.labels(cause).inc(count)
        addresses = sorted({str(peer.address) for peer in peers})
        log.warning("connections let go", cause=cause, count=count, addresses=addresses[:8])
