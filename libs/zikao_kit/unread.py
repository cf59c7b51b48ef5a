"""Answers that their callers do not take.

A caller says in HTTP/2 how much it takes, and who takes nothing has answers wait in gRPC's memory
until their calls end. gRPC tells nobody of windows, but a call is done only when all of its answer
has gone out. Where many wait of a connection, none has ever gone out, and nothing is on its way
over the line, it is not the line that is slow. Until one has gone out few calls of a connection are
worked on at once (`first_calls`); those that wait for that count with the answers.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from zikao_kit.config import KIBIBYTE, Network
from zikao_kit.first_calls import FirstCalls
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
        # The last look has found somebody whom the one before had not.
        self.has_new_suspects = False
        self.first_calls = FirstCalls()
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
            if peer not in self._takers:
                self._takers.add(peer)
                self.first_calls.lift(peer)
        elif peer not in self._takers:
            self.first_calls.leave(peer)

    def has_taken(self, peer: str) -> bool:
        """Whether it has taken an answer."""
        return peer in self._takers

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
        self.has_new_suspects = not self._suspects <= before
        unanswered = {peer: self._unanswered(names[peer]) for peer in self._suspects}
        idle = {peer for peer, counts in looked if not counts.on_its_way}
        again = self._suspects & before & idle
        proven = {peer for peer in again if unanswered[peer] >= MANY_ANSWERS}
        alike = _alike({p: n for p, n in unanswered.items() if not is_within(p.address, shared)})
        origins = {peer.origin for peer in again} & alike - self._takers_among(looked, names)
        return [peer for peer in names if peer in proven or peer.origin in origins]

    def _is_suspect(self, name: str, counts: Counts) -> bool:
        return (
            self._waiting.get(name, 0) >= FEW_ANSWERS
            and name not in self._takers
            and counts.taken < TAKEN_BYTES
        )

    def _unanswered(self, name: str) -> int:
        """Its answers that wait, and its calls that wait for them to go."""
        return self._waiting[name] + self.first_calls.waiting(name)

    def _takers_among(
        self, looked: Sequence[tuple[Peer, Counts]], names: Mapping[Peer, str]
    ) -> set[Address]:
        """Addresses from which somebody takes answers."""
        return {
            peer.origin
            for peer, counts in looked
            if names[peer] in self._takers or counts.taken >= TAKEN_BYTES
        }

    def _forget_all_but(self, connected: set[str]) -> None:
        self._takers &= connected
        for gone in self._waiting.keys() - connected:
            del self._waiting[gone]
        self.first_calls.forget_all_but(connected)


def _alike(unanswered: Mapping[Peer, int]) -> set[Address]:
    """Addresses of several suspects that leave many answers together."""
    by_origin: defaultdict[Address, list[int]] = defaultdict(list)
    for peer, count in unanswered.items():
        by_origin[peer.origin].append(count)
    return {
        origin
        for origin, each in by_origin.items()
        if len(each) >= ALIKE and sum(each) >= MANY_OF_AN_ADDRESS
    }
