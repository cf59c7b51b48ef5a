"""Faults at their times beside a load that somebody else makes: `zikao rush --faults`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from zikao_ctl.faults.kinds import INJECT
from zikao_ctl.faults.scene import DATABASE_AWAY, NoEffect, NotRecovered, Scene, mended
from zikao_ctl.faults.schedule import CLOCK_JUMP, KINDS, Fault, draw_faults
from zikao_ctl.rush.records import FaultRecord

RECOVERY_SECONDS = 30.0
# The first comes when the rush is on.
FIRST_AFTER_SECONDS = 2.0
WITHIN_AN_OPENING = "+31 min"


def faults_of_an_opening(seed: int, seconds: float, every_seconds: float) -> list[Fault]:
    """One in so many seconds of an opening, by kinds as far as there is room for them.

    A jump of the clock ends holds, tokens and passes of all: it comes last, and goes forward.
    """
    count = max(1, int((seconds - FIRST_AFTER_SECONDS) / every_seconds))
    others = [kind for kind in KINDS if kind != CLOCK_JUMP]
    drawn = draw_faults(seed, max(count, len(others)), others)[: count - 1]
    (jump,) = draw_faults(seed, 1, [CLOCK_JUMP])
    chosen = [*drawn, replace(jump, victim=WITHIN_AN_OPENING)]
    return [
        replace(fault, at=FIRST_AFTER_SECONDS + number * every_seconds)
        for number, fault in enumerate(chosen)
    ]


@dataclass
class Alongside:
    """Breaks a scene; `records` are for the report of whoever makes the load."""

    scene: Scene
    faults: Sequence[Fault]
    say: Callable[[str], None]
    records: list[FaultRecord] = field(default_factory=list)

    async def run(self, opening: float) -> None:
        """All of them, by the times since `opening` (monotonic), or as soon after as it is well.

        What does not come back is a record without recovery; nothing more is broken then.
        """
        async with mended(self.scene):
            for fault in self.faults:
                await asyncio.sleep(max(0.0, opening + fault.at - time.monotonic()))
                record = await self._suffer(fault, time.monotonic() - opening)
                self.records.append(record)
                if record["recovered_after"] is None:
                    return

    async def _suffer(self, fault: Fault, at: float) -> FaultRecord:
        note, recovered = "", None
        try:
            try:
                await INJECT[fault.kind](self.scene, fault)
            except (NoEffect, *DATABASE_AWAY) as error:
                note = f"no effect: {error}"
            ended = time.monotonic()
            await self.scene.until_well(RECOVERY_SECONDS)
            recovered = time.monotonic() - ended
        except NotRecovered as error:
            note = str(error)
        self.say(f"fault: {fault.kind} of {fault.victim} {note}")
        return FaultRecord(
            at=at,
            kind=fault.kind,
            victim=fault.victim,
            seconds=fault.seconds,
            recovered_after=recovered,
            note=note,
        )
