"""New connections from which no call comes: a handshake is much work for who says nothing then.

Whoever connects means to call, if not at once. While a process has nothing to spare, an address
that brings connection after connection and no calls gets few of them; each that calls is given
back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from zikao_kit.config import Network
from zikao_kit.own_sockets import Address, Peer, is_within

# Of the connections that an address may make a second: so many seconds' worth may be silent at
# once, and a part as many more a second; after too many it takes no longer until the next may come.
AT_ONCE_SECONDS, PART, PAUSE_SECONDS = 1, 1 / 10, 10


class Silence:
    """Counts them of each address."""

    def __init__(self, per_second: float, shared: Sequence[Network] = ()) -> None:
        self._per_second = per_second * PART
        self._most = per_second * AT_ONCE_SECONDS
        self._shared = shared
        # Of addresses that may not have all at once; below 0 they have taken more.
        self._left: dict[Address, float] = {}
        self._silent: set[Peer] = set()

    def judge(
        self,
        newcomers: Collection[Peer],
        connected: Collection[Peer],
        has_called: Callable[[Peer], bool],
        seconds: float,
    ) -> set[Address]:
        """Addresses that have brought too many by now, when so many seconds have passed."""
        spoken = {peer for peer in self._silent if peer in connected and has_called(peer)}
        came = {
            peer
            for peer in newcomers
            if not has_called(peer) and not is_within(peer.address, self._shared)
        }
        self._silent = (self._silent & set(connected)) - spoken | came
        left = {each: at + self._per_second * seconds for each, at in self._left.items()}
        for peer in spoken:
            left[peer.origin] = left.get(peer.origin, self._most) + 1
        for peer in came:
            left[peer.origin] = min(self._most, left.get(peer.origin, self._most)) - 1
        least = -self._per_second * PAUSE_SECONDS
        self._left = {each: max(least, at) for each, at in left.items() if at < self._most}
        return {each for each, at in self._left.items() if at < 0}
