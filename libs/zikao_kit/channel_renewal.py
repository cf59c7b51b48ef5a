"""Channels that take new certificates: others are opened with them, and those before end in peace.

gRPC gives a channel its certificate for good. So who has a new one opens another channel: calls
begin there once it is connected, and those under way end where they have begun. A certificate that
the other side does not accept takes the place of none that still holds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

import grpc
import structlog

from zikao_kit.certificates import LOOK_SECONDS, RELOAD_FAILURES, Certificates, CertificateWatch
from zikao_kit.config import CertFiles

# After that what nobody accepts is said; it is tried on, and calls go over the channel before.
CONNECT_SECONDS = 10.0
# How often what is left of a channel is looked at.
LEAVE_SECONDS = 1.0
# So for longer than servers let any stream go on after a connection's age: none is cut short.
LEAVE_LOOKS = 1200

log = structlog.get_logger()


@dataclass(frozen=True, eq=False)
class Channels:
    """What calls go over, and where subscriptions go if they have a channel of their own.

    `calls` are those that have begun here; gRPC's own grace cannot be cut short once it runs.
    """

    main: grpc.aio.Channel
    apart: grpc.aio.Channel | None = None
    calls: WeakSet[Any] = field(default_factory=WeakSet)

    async def close(self, grace_seconds: float | None) -> None:
        """Take no new calls, and let those under way end until the grace is over."""
        both = [each for each in (self.main, self.apart) if each is not None]
        await asyncio.gather(*(each.close(grace_seconds) for each in both))

    async def leave(self) -> None:
        """Close as soon as no call is under way any more, or after LEAVE_LOOKS."""
        for _ in range(LEAVE_LOOKS):
            if all(call.done() for call in self.calls):
                break
            await asyncio.sleep(LEAVE_SECONDS)
        await self.close(None)


class RenewedChannels:
    """The channels of now. For one event loop; raises ConfigError without usable certificates."""

    def __init__(
        self,
        files: CertFiles,
        open_channels: Callable[[Certificates], Channels],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._watch = CertificateWatch(files, "channel")
        self._open_channels = open_channels
        self._monotonic = monotonic
        self._look_at = monotonic() + LOOK_SECONDS
        self._current = open_channels(self._watch.current)
        self._ends_at = self._watch.current.ends_at
        # Those that are being connected, and those before that have not ended yet.
        self._coming: asyncio.Task[None] | None = None
        self._leaving: dict[Channels, asyncio.Task[None]] = {}

    def now(self) -> Channels:
        """What a call that begins now goes over; looks at the files once in LOOK_SECONDS."""
        if self._monotonic() >= self._look_at:
            self._look_at = self._monotonic() + LOOK_SECONDS
            if self._watch.look():
                self._renew()
        return self._current

    async def close(self, grace_seconds: float | None) -> None:
        """Close all that are open, those before too."""
        tasks = [*self._leaving.values(), *([self._coming] if self._coming else [])]
        channels = [self._current, *self._leaving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(each.close(grace_seconds) for each in channels))

    def _renew(self) -> None:
        if self._coming is not None:  # newer ones take its place
            self._coming.cancel()
        self._coming = asyncio.get_running_loop().create_task(self._change(self._watch.current))

    async def _change(self, certificates: Certificates) -> None:
        """Connect, change over, and let the channels before end."""
        coming = self._open_channels(certificates)
        connecting = asyncio.ensure_future(coming.main.channel_ready())
        try:
            await self._until_better(connecting, certificates)
        except asyncio.CancelledError:
            await coming.close(None)
            raise
        finally:
            connecting.cancel()
        before, self._current = self._current, coming
        self._ends_at = certificates.ends_at
        self._coming = None
        leaving = asyncio.get_running_loop().create_task(before.leave())
        self._leaving[before] = leaving
        leaving.add_done_callback(lambda _: self._leaving.pop(before, None))

    async def _until_better(
        self, connecting: asyncio.Future[None], certificates: Certificates
    ) -> None:
        """Wait until it is connected, or until the certificate before is of no use either."""
        is_said = False
        while True:
            done, _ = await asyncio.wait([connecting], timeout=CONNECT_SECONDS)
            if done or self._ends_at <= datetime.now(UTC):
                return
            if not is_said:
                is_said = True
                RELOAD_FAILURES.labels("channel").inc()
                log.warning("certificate not accepted", serial=f"{certificates.serial:x}")
