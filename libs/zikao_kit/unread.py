"""Answers that their callers do not take.

A caller says in HTTP/2 how much it takes, and who takes nothing has answers wait in gRPC's memory
until their calls end. gRPC tells nobody of windows, but a call is done only when all of its answer
has gone out. Where many wait of a connection, none has ever gone out, and nothing is on its way
over the line, it is not the line that is slow.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from zikao_kit.config import KIBIBYTE, Network
from zikao_kit.own_sockets import Address, Counts, Peer, is_within

# So many that wait of a connection make a suspect of it; so many prove that it takes none.
FEW_ANSWERS, MANY_ANSWERS = 4, 16
# Of an address of which so many connections are suspects, and none has taken any, these prove it.
ALIKE, MANY_OF_AN_ADDRESS = 4, 32
# Each client's windows let more than this out before it has to widen them.
TAKEN_BYTES = 32 * KIBIBYTE


class Unread:
    """How many answers of each connection wait, and which has taken any."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, int] = defaultdict(int)
        self._takers: set[str] = set()
        self._suspects: set[Peer] = set()
        # Somebody is worth a look.
        self.alarm = asyncio.Event()

    def hand_over(self, peer: str, context: Any) -> None:
        """The answer to the call of `peer` that this task is waits until it has gone out.

        gRPC would keep a callback of the context's in a circle, for the collector to find.
        """
        self.begin(peer)
        task = asyncio.current_task()
        assert task is not None
        task.add_done_callback(partial(self._ended, peer, context))

    def begin(self, peer: str) -> None:
        """An answer waits."""
        self._waiting[peer] = waiting = self._waiting[peer] + 1
        if waiting == FEW_ANSWERS and peer not in self._takers:
            self.alarm.set()

    def end(self, peer: str, *, is_taken: bool) -> None:
        """An answer waits no longer: it has gone out, or its call has ended before."""
        self._waiting[peer] -= 1
        if is_taken:
            self._takers.add(peer)

    def _ended(self, peer: str, context: Any, _: asyncio.Task[Any]) -> None:
        self.end(peer, is_taken=context.time_remaining() != 0)

    @property
    def has_suspects(self) -> bool:
        """Whether the last look has found any, so that another one tells."""
        return bool(self._suspects)

    def look(
        self, looked: Sequence[tuple[Peer, Counts]], shared: Sequence[Network] = ()
    ) -> list[Peer]:
        """Connections that take no answers, at the second look that finds them so.

        With them all others of an address where they are several, and nobody takes any.
        """
        self.alarm.clear()
        names = {peer: peer.in_grpc for peer, _ in looked}
        self._forget_all_but(set(names.values()))
        before = self._suspects
        self._suspects = {peer for peer, counts in looked if self._is_suspect(names[peer], counts)}
        idle = {peer for peer, counts in looked if not counts.on_its_way}
        again = self._suspects & before & idle
        proven = {peer for peer in again if self._waiting[names[peer]] >= MANY_ANSWERS}
        origins = {peer.origin for peer in again} & self._without_takers(looked, names, shared)
        return [peer for peer in names if peer in proven or peer.origin in origins]

    def _is_suspect(self, name: str, counts: Counts) -> bool:
        return (
            self._waiting.get(name, 0) >= FEW_ANSWERS
            and name not in self._takers
            and counts.taken < TAKEN_BYTES
        )

    def _without_takers(
        self,
        looked: Sequence[tuple[Peer, Counts]],
        names: Mapping[Peer, str],
        shared: Sequence[Network],
    ) -> set[Address]:
        """Addresses of several suspects with many answers, from which nobody takes any."""
        waiting: defaultdict[Address, list[int]] = defaultdict(list)
        for peer in self._suspects:
            if not is_within(peer.address, shared):
                waiting[peer.origin].append(self._waiting[names[peer]])
        takers = {
            peer.origin
            for peer, counts in looked
            if names[peer] in self._takers or counts.taken >= TAKEN_BYTES
        }
        return {
            origin
            for origin, each in waiting.items()
            if len(each) >= ALIKE and sum(each) >= MANY_OF_AN_ADDRESS
        } - takers

    def _forget_all_but(self, connected: set[str]) -> None:
        self._takers &= connected
        for gone in self._waiting.keys() - connected:
            del self._waiting[gone]
