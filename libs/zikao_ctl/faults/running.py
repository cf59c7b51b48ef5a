"""Faults one after the other under load; after each, everything is looked at."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from zikao_ctl.faults.books import wrong_money, wrong_orders
from zikao_ctl.faults.kinds import INJECT
from zikao_ctl.faults.load import Load
from zikao_ctl.faults.scene import DATABASE_AWAY, NoEffect, NotRecovered, Scene, until
from zikao_ctl.faults.schedule import CLOCK_JUMP, Fault
from zikao_ctl.faults.witness import Outcome
from zikao_ctl.invariants import count_violations

ANSWERS_WHEN_WELL = 10
SETTLING_SECONDS = 20.0
# Feeds, refunds and notifications, some of which wait a while before they are sent again.
REST_SECONDS = 60.0
REST_POLL_SECONDS = 0.5
# At rest everything is compared, also between the services.
REST_EVERY = 20
# A fault that had no effect is tried again, as there may have been nothing to break.
ATTEMPTS = 3


@dataclass
class Happened:
    """What became of a fault: how long until all was well, and what was wrong then."""

    fault: Fault
    effective: bool
    recovery_seconds: float = 0.0
    doubtful: int = 0
    violations: list[str] = field(default_factory=list)
    problem: str = ""


class Rehearsal:
    """Breaks a scene under load and keeps what it found."""

    def __init__(
        self, scene: Scene, load: Load, say: Callable[[str], None], recovery_seconds: float
    ) -> None:
        """After each fault all must be well within `recovery_seconds`."""
        self._recovery_seconds = recovery_seconds
        self._scene = scene
        self._load = load
        self._say = say
        self._latest = scene.now()
        self.happened: list[Happened] = []
        self.rests = 0
        self._broken_since_rest = False

    async def run(self, groups: Iterable[Sequence[Fault]]) -> None:
        """All of them; raises NotRecovered when the installation does not come back."""
        for group in groups:
            done = await self.suffer(group)
            self.happened += done
            self._broken_since_rest = True
            for each in done:
                self._say(_line(len(self.happened), each))
            if len(self.happened) // REST_EVERY > self.rests:
                await self.rest()
        if self._broken_since_rest:
            await self.rest()

    async def suffer(self, group: Sequence[Fault]) -> list[Happened]:
        """One fault, or several at once, and what can be said afterwards."""
        effects = await asyncio.gather(*(self._inject(fault) for fault in group))
        ended = time.monotonic()
        await self._recover()
        with database_stays():
            if any(fault.kind == CLOCK_JUMP for fault in group):
                await self._scene.until_holds_end(SETTLING_SECONDS)
            seconds = time.monotonic() - ended
            doubtful = len(self._load.witness.doubtful)
            violations = await self._examine()
        return [
            Happened(fault, not problem, seconds, doubtful, violations if first else [], problem)
            for first, (fault, problem) in zip(
                [True, *[False] * (len(group) - 1)], zip(group, effects, strict=True), strict=True
            )
        ]

    async def _inject(self, fault: Fault) -> str:
        """Do it; why it had no effect, if it had none."""
        for _ in range(ATTEMPTS):
            try:
                await INJECT[fault.kind](self._scene, fault)
            except NoEffect as none:
                problem = str(none)
            except DATABASE_AWAY as error:
                problem = f"{type(error).__name__}: {error}"  # a fault beside it was faster
            else:
                self._latest = max(self._latest, self._scene.now())
                return ""
            await self._recover()
        return problem

    async def _recover(self) -> None:
        """Wait until the database and every process answer, and candidates are served again."""
        end = time.monotonic() + self._recovery_seconds
        await self._scene.until_well(self._recovery_seconds)
        counts = self._load.witness.counts
        enough = counts[Outcome.ACKNOWLEDGED] + ANSWERS_WHEN_WELL
        await until(
            lambda: counts[Outcome.ACKNOWLEDGED] >= enough,
            max(0.0, end - time.monotonic()),
            lambda: "nobody gets seats",
        )

    async def _examine(self) -> list[str]:
        """Settle what is in doubt, and look at everything that must hold while it is busy."""
        witness = self._load.witness
        async with self._scene.database() as database:
            self._load.take_back(await witness.settle(database, SETTLING_SECONDS))
            await witness.check(database)
            self._latest = max(self._latest, self._scene.now())
            wrong = await wrong_orders(database, self._load.people, self._latest)
        return [*self._new_violations(), *wrong, *await self._audit(settled=False)]

    def _new_violations(self) -> list[str]:
        found, self._load.witness.violations = self._load.witness.violations, []
        return found

    async def _audit(self, *, settled: bool) -> list[str]:
        dsn, now = self._scene.installation.admin_dsn, self._scene.now()
        found = await count_violations(dsn, now, settled=settled)
        return [f"{name}: {count}" for name, count in found.items() if count]

    async def rest(self) -> None:
        """Stop the load, wait until all has come to rest, and compare everything with everything.

        What is wrong then is the last fault's.
        """
        self.rests += 1
        self._broken_since_rest = False
        await self._load.pause()
        try:
            with database_stays():
                violations = [*await self._examine(), *await self._at_rest()]
        finally:
            self._load.resume()
        self.happened[-1].violations += violations
        self._say(f"at rest: {len(violations)} violations {violations or ''}")

    async def _at_rest(self) -> list[str]:
        """What is still wrong after REST_SECONDS, or nothing as soon as nothing is."""
        end = time.monotonic() + REST_SECONDS
        while True:
            wrong = await self._audit(settled=True)
            async with self._scene.database() as database:
                ledger = self._scene.installation.layout.payment_ledger
                wrong += await wrong_money(database, ledger, self._load.paid)
                if not wrong or time.monotonic() > end:
                    await self._load.witness.check(database, everything=True)
                    return [*wrong, *self._new_violations()]
            await asyncio.sleep(REST_POLL_SECONDS)


@contextmanager
def database_stays() -> Iterator[None]:
    """Raises NotRecovered where the database goes, or hangs, that has been well again."""
    try:
        yield
    except DATABASE_AWAY as error:
        what = f"{type(error).__name__}: {error}".rstrip(": ")
        raise NotRecovered(f"the database is away while it is looked at: {what}") from error


def _line(number: int, happened: Happened) -> str:
    fault = happened.fault
    words = f"{number:4} {fault.kind:22} {fault.victim:22} {fault.seconds:4.1f} s"
    if not happened.effective:
        return f"{words}  no effect: {happened.problem}"
    found = f"  {happened.violations}" if happened.violations else ""
    after = f"well after {happened.recovery_seconds:4.1f} s, {happened.doubtful:3} in doubt"
    return f"{words}  {after}{found}"
