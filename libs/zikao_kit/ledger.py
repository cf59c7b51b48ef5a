"""What each connection, and each address, has sent that no call has seen.

What came over a connection, as the kernel counts it (`own_sockets`), is compared with what calls
have shown of it. The difference is its debt, of which a little is forgiven all the time. A message
under way is a debt until it is whole, so much of one proves nothing by itself: who is neither seen
nor stops, while the process has more to do than it can, is a flood. What connections owed that have
gone their address owes: a flood that comes again and again is no better than one that stays.
"""

from __future__ import annotations

import math
import operator
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import NamedTuple

from zikao_kit.config import KIBIBYTE, Network, ServerConfig
from zikao_kit.own_sockets import Address, Counts, Peer, is_within
from zikao_kit.unread import Unread

# What a call brings beside its metadata and messages: headers that gRPC keeps to itself, frames,
# TLS records, word of what the caller has read.
CALL_BYTES = 512
# The same of a message; of a large one a part, as it comes in many frames.
MESSAGE_BYTES, MESSAGE_PART = 128, 32
# What needs no call: pings, settings, the handshake.
FORGIVEN_BYTES_A_SECOND = 16 * KIBIBYTE
# Who reads says so: at most a WINDOW_UPDATE for every so many bytes that it was sent.
TAKEN_FOR_ONE = 32
# Messages under way are a debt until they are whole: as many of the largest of one connection.
MESSAGES_UNDER_WAY = 16
# So many of a flood, beyond what calls have shown before; more of what comes at once, as a burst
# of photos does; and a part where gRPC answers by itself.
MESSAGES_OF_A_FLOOD = 2
AT_ONCE = 8
ANSWERED_PART = 1 / 16
# All debts together, in messages of the largest kind: that much memory may be lost to them, and
# what gRPC and the kernel need to hold it, about twice as much.
MESSAGES_IN_ALL = 24
# Whoever owes less may just have come.
LITTLE_BYTES = 16 * KIBIBYTE
# A flood shows less than this part of what it sends, and is older than a moment. Photos that come
# side by side are whole one after the other, or their line is slow.
PART_OF_A_FLOOD = 1 / 8
FLOOD_SECONDS = 2.0
# Who was sent more than this part of what came, and has shown no calls, was answered by gRPC
# itself: pings, settings, streams that are refused. To a message under way it says hardly anything.
PART_OF_ANSWERS = 1 / 8
ANSWERED_SECONDS = 0.3
# What calls have shown counts for so long.
SHOWN_SECONDS = 60.0


class Seen:
    """What calls have shown of each connection since it was asked last, in bytes.

    `unread` is what their answers show.
    """

    def __init__(self) -> None:
        self.unread = Unread()
        self._by_peer: defaultdict[str, int] = defaultdict(int)

    def note(self, peer: str, size: int) -> None:
        """A call of `peer`, as `ServicerContext.peer()` names it, has shown so much.

        Less than nothing: it has not, after all.
        """
        self._by_peer[peer] += size

    def note_message(self, peer: str, size: int) -> int:
        """A message of so many bytes has come, or word that one was read when it is 0.

        Returns what that has shown.
        """
        shown = size + size // MESSAGE_PART + MESSAGE_BYTES
        self._by_peer[peer] += shown
        return shown

    def take(self) -> Mapping[str, int]:
        """What has been noted, once."""
        taken, self._by_peer = self._by_peer, defaultdict(int)
        return taken


class Traffic(NamedTuple):
    """Bytes that came, that calls have shown of them, and that were taken."""

    came: float = 0.0
    shown: float = 0.0
    taken: float = 0.0

    def plus(self, other: Traffic) -> Traffic:
        """Both together."""
        return Traffic(*map(operator.add, self, other))

    def times(self, factor: float) -> Traffic:
        """A part of it."""
        return Traffic(*(each * factor for each in self))


NO_TRAFFIC = Traffic()


@dataclass(slots=True)
class Tally:
    """What came of a connection or an address, and what calls have shown of it, in bytes.

    `lately` forgets, so that about `FLOOD_SECONDS` are left in it, `shown` after `SHOWN_SECONDS`.
    """

    debt: float = 0.0
    shown: float = 0.0
    seconds: float = 0.0
    lately: Traffic = NO_TRAFFIC

    def add(self, traffic: Traffic, seconds: float) -> None:
        """Take in the traffic of the last seconds."""
        self.lately = self.lately.times(math.exp(-seconds / FLOOD_SECONDS)).plus(traffic)
        self.seconds += seconds
        self.shown = self.shown * math.exp(-seconds / SHOWN_SECONDS) + traffic.shown

    @property
    def unproven(self) -> float:
        """Its debt beyond what calls have shown."""
        return self.debt - self.shown

    @property
    def dubious(self) -> float:
        """Its debt, less by the part of what came lately that calls have shown."""
        came, shown, _ = self.lately
        return self.debt * (1 - min(1.0, shown / came)) if came > 0 else self.debt

    def is_flood(self, bound: float) -> bool:
        """Whether it owes more than `bound` beyond what was shown, and shows hardly anything.

        Or a part of that where gRPC answers what it sends.
        """
        lately, owed = self.lately, self.unproven
        if lately.shown >= lately.came * PART_OF_A_FLOOD:
            return False
        if lately.taken > lately.came * PART_OF_ANSWERS and self.seconds >= ANSWERED_SECONDS:
            return owed > bound * ANSWERED_PART
        return owed > (bound if self.seconds >= FLOOD_SECONDS else bound * AT_ONCE)


@dataclass(slots=True)
class Account:
    """A connection, and what the kernel had counted of it at the last look.

    `is_shared`: there are others behind its address.
    """

    is_shared: bool
    tally: Tally = field(default_factory=Tally)
    counts: Counts = field(default_factory=lambda: Counts(0, 0))

    def settle(self, counts: Counts, shown: int, seconds: float) -> Traffic:
        """Take the newest counts; return the traffic since the last ones."""
        came, taken = counts.come - self.counts.come, counts.taken - self.counts.taken
        self.counts = counts
        traffic = Traffic(came, shown, taken)
        self.tally.add(traffic, seconds)
        forgiven = shown + taken // TAKEN_FOR_ONE + FORGIVEN_BYTES_A_SECOND * seconds
        self.tally.debt = max(0.0, self.tally.debt + came - forgiven)
        return traffic


@dataclass(slots=True)
class Household:
    """An address with all its connections; `left` is what those owed that have gone."""

    tally: Tally = field(default_factory=Tally)
    left: float = 0.0
    peers: list[Peer] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """Bounds of debts in bytes; `connections_each` is how many an address may have."""

    debt: int
    flood: int
    debts: int
    connections_each: int

    @classmethod
    def of(cls, config: ServerConfig) -> Limits:
        """As they follow from what a server takes."""
        largest = config.max_receive_bytes
        return cls(
            debt=MESSAGES_UNDER_WAY * largest,
            flood=MESSAGES_OF_A_FLOOD * largest,
            debts=MESSAGES_IN_ALL * largest,
            connections_each=config.max_connections_per_address,
        )


@dataclass
class Verdict:
    """Whom to let go, and why; who has come since the last look.

    `in_all` owe too much together with the others, `too_many` are more than an address may have.
    """

    owing: list[Peer] = field(default_factory=list)
    in_all: list[Peer] = field(default_factory=list)
    too_many: list[Peer] = field(default_factory=list)
    newcomers: list[Peer] = field(default_factory=list)


class Ledger:
    """What all connections owe, and their addresses; shared ones owe nothing themselves."""

    def __init__(self, limits: Limits, shared: Sequence[Network] = ()) -> None:
        self._limits = limits
        self._shared = shared
        self._accounts: dict[Peer, Account] = {}
        self._households: dict[Address, Household] = {}

    @property
    def accounts(self) -> Mapping[Peer, Account]:
        """As they were at the last look."""
        return self._accounts

    @property
    def households(self) -> Mapping[Address, Household]:
        """The addresses that are not shared, as they were at the last look."""
        return self._households

    @property
    def debts(self) -> float:
        """Of all connections together, in bytes."""
        return sum(account.tally.debt for account in self._accounts.values())

    def callers(self) -> list[Peer]:
        """Those of which calls have shown something in the last seconds."""
        return [p for p, account in self._accounts.items() if account.tally.lately.shown >= 1]

    def settle(
        self,
        looked: Iterable[tuple[Peer, Counts]],
        seen: Mapping[str, int],
        seconds: float,
        *,
        is_busy: bool = False,
    ) -> Verdict:
        """Take what came in so many seconds into account.

        `is_busy`: the process has more to do than it can, so that a flood takes from others.
        """
        before, self._accounts = self._accounts, {}
        traffic: dict[Peer, Traffic] = {}
        for peer, counts in looked:
            account = self._accounts[peer] = before.get(peer) or self._new(peer)
            traffic[peer] = account.settle(counts, seen.get(peer.in_grpc, 0), seconds)
        gone = {peer: before[peer] for peer in before.keys() - self._accounts.keys()}
        self._settle_households(gone, traffic, seconds)
        owing = self._owing(is_busy=is_busy)
        return Verdict(
            list(owing),
            self._in_all(owing),
            self._too_many(),
            [peer for peer in self._accounts if peer not in before],
        )

    def has_called(self, peer: Peer) -> bool:
        """Whether calls have shown anything of it for some minutes."""
        return self._accounts[peer].tally.shown >= 1

    def _new(self, peer: Peer) -> Account:
        return Account(is_within(peer.address, self._shared))

    def _settle_households(
        self, gone: Mapping[Peer, Account], traffic: Mapping[Peer, Traffic], seconds: float
    ) -> None:
        households = self._households
        for household in households.values():
            household.peers = []
            household.left = max(0.0, household.left - FORGIVEN_BYTES_A_SECOND * seconds)
        for peer, account in gone.items():
            if (home := households.get(peer.origin)) is not None:
                home.left += account.tally.debt
        for peer, account in self._accounts.items():
            if not account.is_shared:
                households.setdefault(peer.origin, Household()).peers.append(peer)
        self._households = {at: home for at, home in households.items() if home.peers or home.left}
        for home in self._households.values():
            together = reduce(Traffic.plus, (traffic[peer] for peer in home.peers), NO_TRAFFIC)
            home.tally.add(together, seconds)
            debts = sum(self._accounts[peer].tally.debt for peer in home.peers)
            home.tally.debt = home.left + debts

    def _owing(self, *, is_busy: bool) -> set[Peer]:
        """Those beyond their bound, and all of an address that is beyond its own."""
        most = self._limits.debt
        bound = self._limits.flood if is_busy else most
        owing = {
            peer
            for peer, account in self._accounts.items()
            if account.tally.debt > most or account.tally.is_flood(bound)
        }
        return owing.union(self._floods(bound))

    def _in_all(self, owing: set[Peer]) -> list[Peer]:
        """The most dubious of the others, until all debts are within their bound.

        Only those that owe anything to speak of: it helps nobody that others go.
        """
        debts = {peer: each.tally for peer, each in self._accounts.items() if peer not in owing}
        rest = sum(tally.debt for tally in debts.values())
        if rest <= self._limits.debts:
            return []
        gone: list[Peer] = []
        debtors = [
            (tally.dubious, peer) for peer, tally in debts.items() if tally.debt > LITTLE_BYTES
        ]
        for _, peer in sorted(debtors, key=operator.itemgetter(0), reverse=True):
            if rest <= self._limits.debts:
                break
            gone.append(peer)
            rest -= debts[peer].debt
        return gone

    def _floods(self, bound: float) -> Iterable[Peer]:
        """All that owe anything to speak of from addresses that flood by many connections."""
        for household in self._households.values():
            if household.tally.is_flood(bound):
                for peer in household.peers:
                    if self._accounts[peer].tally.unproven > LITTLE_BYTES:
                        yield peer

    def _too_many(self) -> list[Peer]:
        """Of an address that has more than it may: who has not called yet, the youngest first."""
        most = self._limits.connections_each
        return [
            peer
            for household in self._households.values()
            if len(household.peers) > most
            for peer in sorted(household.peers, key=lambda each: not self.has_called(each))[most:]
        ]
