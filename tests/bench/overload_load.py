"""The load of bench_overload, a process of its own: portals that want more than there is.

Open loop: calls are wanted at random moments at a rate that is given, whatever was answered. What
a throttle holds back is not sent, and is wanted all the same. Beside them the payment platform
sends word of payments. What it needs comes pickled on stdin, then a line a series of phases, each
answered by a line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import pickle
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from bench.overload_seeding import CALL_SECONDS, Submissions, notification_head
from support.cpu import cpu_seconds
from zikao_client.throttle import Throttle
from zikao_ctl.rush.connections import Connections
from zikao_ctl.rush.http2 import Address
from zikao_kit.config import CertFiles

TICK_SECONDS = 0.001
BIN_SECONDS = 0.25
# "Not now" of contracts and transports: what a throttle counts as refused.
NOT_NOW = frozenset({1, 4, 8, 14})
PAYMENT_TIMELY_SECONDS = 1.0


@dataclass(frozen=True)
class Stage:
    """Where the load goes, and what it is made of."""

    port: int
    portal: dict[str, str]
    platform: dict[str, str]
    submissions: Submissions
    notifications: Sequence[bytes]
    watched: Mapping[str, int]
    cpu: int
    portals: int = 4
    connections: int = 6
    payments_per_second: float = 50.0
    seed: int = 1


@dataclass(frozen=True)
class Phase:
    """So many submissions are wanted a second for so long."""

    name: str
    wanted_per_second: float
    seconds: float
    throttled: bool = True


@dataclass
class Seen:
    """What became of a phase; latencies in seconds, from sending to the answer."""

    name: str
    seconds: float = 0.0
    wanted: int = 0
    sent: int = 0
    accepted: int = 0
    shed: int = 0
    other: Counter[str] = field(default_factory=Counter)
    ends: list[tuple[float, float]] = field(default_factory=list)
    payments: int = 0
    timely_payments: int = 0
    slowest_payment: float = 0.0
    lags: list[float] = field(default_factory=list)
    cpu: dict[str, float] = field(default_factory=dict)

    def described(self) -> dict[str, Any]:
        """Without what was only collected."""
        content = {name: getattr(self, name) for name in _TOLD}
        bins: list[list[float]] = [[] for _ in range(math.ceil(self.seconds / BIN_SECONDS))]
        for at, latency in self.ends:
            bins[min(len(bins) - 1, int(at / BIN_SECONDS))].append(latency)
        return content | {
            "latency_p50": quantile([latency for _, latency in self.ends], 0.5),
            "latency_p99": quantile([latency for _, latency in self.ends], 0.99),
            "lag_p99": quantile(self.lags, 0.99),
            "bins": [[len(each), quantile(each, 0.99)] for each in bins],
        }


_TOLD = [each.name for each in fields(Seen) if each.name not in ("ends", "lags")]


class Portal:
    """Some connections, and the throttle they share."""

    def __init__(self, port: int, files: Mapping[str, str]) -> None:
        pair = CertFiles(**{name: Path(path) for name, path in files.items()})
        address = Address("127.0.0.1", port, "enrollment", pair)
        self.throttle = Throttle()
        self.connections = Connections(address, CALL_SECONDS)


class Load:
    """All of it, for one phase after the other."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._chance = random.Random(stage.seed)
        self._calls = iter(stage.submissions)
        self._notifications = iter(stage.notifications)
        self._notification_head = notification_head()
        self._portals = [Portal(stage.port, stage.portal) for _ in range(stage.portals)]
        self._platform = Portal(stage.port, stage.platform).connections
        self._seen = Seen("")
        self._begun = 0.0

    async def connect(self) -> None:
        """Open all connections."""
        for portal in self._portals:
            await portal.connections.open(self._stage.connections)
        await self._platform.open(1)

    async def run(self, phase: Phase) -> Seen:
        """One phase; submissions still under way at its end are seen by the next one."""
        seen = self._seen = Seen(phase.name, phase.seconds)
        used = {name: cpu_seconds(pid) for name, pid in self._stage.watched.items()}
        own = time.process_time()
        self._begun = time.monotonic()
        wanted = self._moments(phase.wanted_per_second, phase.seconds)
        payments = self._moments(self._stage.payments_per_second, phase.seconds)
        next_wanted, next_payment = next(wanted), next(payments)
        while (now := time.monotonic() - self._begun) < phase.seconds:
            begun_tick = now
            due = 0
            while next_wanted <= now:
                due += 1
                next_wanted = next(wanted)
            self._want(due, throttled=phase.throttled)
            while next_payment <= now:
                self._pay(self._begun + next_payment)
                next_payment = next(payments)
            await asyncio.sleep(TICK_SECONDS)
            lag = time.monotonic() - self._begun - begun_tick - TICK_SECONDS
            seen.lags.append(lag)
        seen.cpu = {
            name: (cpu_seconds(pid) - used[name]) / phase.seconds
            for name, pid in self._stage.watched.items()
        } | {"load": (time.process_time() - own) / phase.seconds}
        return seen

    def _moments(self, per_second: float, seconds: float) -> Iterator[float]:
        """Of a Poisson process; one after the end ends it."""
        at = self._chance.expovariate(per_second)
        while at < seconds:
            yield at
            at += self._chance.expovariate(per_second)
        yield math.inf

    def _want(self, due: int, *, throttled: bool) -> None:
        """The portals take turns with what is left over when it is shared out."""
        self._seen.wanted += due
        self._portals.append(self._portals.pop(0))
        for place, portal in enumerate(self._portals):
            share = due // len(self._portals) + (place < due % len(self._portals))
            sent = portal.throttle.allow(share) if throttled else share
            for _ in range(sent):
                head, body = next(self._calls)
                ended = partial(self._ended, portal, time.monotonic())
                portal.connections.send(head, body, ended)
            self._seen.sent += sent
            portal.connections.flush()

    def _pay(self, due_at: float) -> None:
        told = partial(self._told, self._seen, due_at)
        self._platform.send(self._notification_head, next(self._notifications), told)
        self._platform.flush()
        self._seen.payments += 1

    def _ended(self, portal: Portal, sent_at: float, code: int, message: bytes, _: float) -> None:
        now = time.monotonic()
        if not code:
            self._seen.accepted += 1
            self._seen.ends.append((now - self._begun, now - sent_at))
            portal.throttle.accepted()
        elif code in NOT_NOW:
            self._seen.shed += 1
            self._seen.other[f"{code} {message.decode()}"] += 1
            portal.throttle.shed()
        else:
            self._seen.other[message.decode()] += 1
            portal.throttle.accepted()

    def _told(self, seen: Seen, due_at: float, code: int, message: bytes, _: float) -> None:
        seconds = time.monotonic() - due_at
        seen.slowest_payment = max(seen.slowest_payment, seconds)
        if code:
            seen.other[f"payment {code} {message.decode()}"] += 1
        elif seconds <= PAYMENT_TIMELY_SECONDS:
            seen.timely_payments += 1


def quantile(values: Sequence[float], share: float) -> float:
    """Nearest rank; 0 of nothing."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


async def serve() -> None:
    """Connect, then do what the lines say until there are none."""
    stage: Stage = pickle.load(sys.stdin.buffer)  # from bench_overload alone
    os.sched_setaffinity(0, {stage.cpu})
    load = Load(stage)
    await load.connect()
    gc.collect()
    gc.freeze()
    gc.disable()
    loop = asyncio.get_running_loop()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        seen = [await load.run(Phase(**phase)) for phase in json.loads(line)]
        # By then the last word of a payment was taken in time, or was not.
        await asyncio.sleep(PAYMENT_TIMELY_SECONDS)
        sys.stdout.write(json.dumps([each.described() for each in seen]) + "\n")
        sys.stdout.flush()
        gc.collect()


if __name__ == "__main__":
    uvloop.run(serve())
