"""An opening itself, wherever it is: who comes, what is watched meanwhile, and its phases."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from zikao_ctl.faults.disk import SmallDisk
from zikao_ctl.rush import checking, measuring, records
from zikao_ctl.rush.arrival import ArrivalCurve
from zikao_ctl.rush.assembling import Run, generators_here
from zikao_ctl.rush.generators import Generators
from zikao_ctl.rush.people import Candidate, make_candidates
from zikao_ctl.rush.records import Live, Tick
from zikao_ctl.rush.room import RoomWatch
from zikao_ctl.rush.scenario import Scenario
from zikao_ctl.rush.ticking import tick_end
from zikao_ctl.rush.watching import CALIBRATION, Ledger, Processors, Recent, Seats, Watched
from zikao_ctl.session_model import SessionFile

Say = Callable[[str], None]
OnLive = Callable[[Live], None]


@dataclass(frozen=True)
class Terms:
    """`folder` is there, for files; `show` is given what happens twice a second.

    `fault_every_seconds`: something is broken so often, None never; `disk`: what can be filled.
    """

    seed: int
    folder: Path
    say: Say
    show: OnLive
    fault_every_seconds: float | None = None
    disk: SmallDisk | None = None


@dataclass
class Opening:
    """One rehearsal."""

    scenario: Scenario
    session: SessionFile
    terms: Terms
    ticks: list[Tick] = field(default_factory=list)
    phases: list[records.Phase] = field(default_factory=list)
    opening: float = 0.0
    seconds: float = 0.0
    peak: float = 0.0
    peak_found: bool = True
    pays: bool = False
    coming: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        """Make the plan."""
        self.people: Sequence[Candidate] = list(
            make_candidates(self.scenario, self.session, self.terms.seed)
        )
        self.curve = ArrivalCurve(self.scenario.arrival)
        room = RoomWatch(self.session.code, self.scenario.track)
        self.watched = Watched(Seats(self.session), room, Ledger(self.session.code))
        self.ticked = asyncio.Event()
        self._recent = Recent()
        self._began_at = datetime.now(UTC)

    def open_doors(self) -> None:
        """Have the window open at `opening`, where that is ours to say."""

    async def open(self, generators: Generators, processors: Processors) -> None:
        """The doors shut, the load, and the calm after it."""
        scenario = self.scenario
        top = scenario.load_factor * (self.peak or scenario.first_rate)
        needed = self.curve.seconds_for(len(self.people), top)
        self.seconds = min(needed, scenario.longest_opening_seconds)
        # On a slow machine only some of them come: else it would be another load.
        self.coming = round(len(self.people) * self.seconds / needed)
        self.opening = tick_end(time.monotonic() + scenario.early_seconds)
        self.forget_acks()
        self.open_doors()
        self.terms.say(
            f"the doors open in {scenario.early_seconds:.0f} s; {self.coming} come "
            f"in {self.seconds:.0f} s"
        )
        processors.since()
        begins = time.monotonic()
        generators.tell(
            "run",
            opening=self.opening,
            seconds=self.seconds,
            coming=self.coming,
            early_seconds=scenario.early_seconds,
        )
        for name, ends in (
            ("early", self.opening),
            ("opening", self.opening + self.seconds),
            ("calm", self.opening + self.seconds + scenario.calm_seconds),
        ):
            await asyncio.sleep(max(0.0, ends - time.monotonic()))
            if name == "calm":
                await self._until_all_are_answered(self.opening + self.seconds)
            ended = time.monotonic()
            ticks = [tick for tick in self.ticks if begins < tick["at"] <= ended]
            self.end_phase(name, ticks, processors, begins)
            begins = ended
        generators.tell("end")
        self.note(await generators.wait_for("run"))

    async def _until_all_are_answered(self, load_ended: float) -> None:
        """As long as people are patient."""
        until = load_ended + self.scenario.patience_seconds
        while self.ticks and self.ticks[-1]["waiting"] and time.monotonic() < until:
            self.ticked.clear()
            await self.ticked.wait()

    def on_tick(self, tick: Tick) -> None:
        """Take what all generators did in half a second."""
        self.ticks.append(tick)
        self.ticked.set()
        at = tick["at"] - self.opening if self.opening else 0.0
        if tick["phase"] != CALIBRATION:
            self.watched.seats.sample(at)
        self.terms.show(self._recent.live(tick, at, self.watched))

    def end_phase(
        self, name: str, ticks: Sequence[Tick], processors: Processors, begins: float
    ) -> None:
        """Note a phase that began at a monotonic time and ends now."""
        # Times become those since the opening when it is known.
        span = (begins, time.monotonic())
        parts = generators_here()
        self.phases.append(measuring.phase_of(name, ticks, processors.since(), parts, span))

    def note(self, answers: Sequence[Any]) -> None:
        """Parts of payers are counted from the beginning each time."""
        total: Counter[str] = Counter()
        for answer in answers:
            total.update(answer["outcomes"])
            for problem in answer["problems"]:
                self.terms.say(f"somebody could not pay: {problem}")
        self.outcomes = total

    def done(self) -> Run:
        """What it did, in seconds since the opening."""
        for phase in self.phases:
            phase["begins"] -= self.opening
            phase["ends"] -= self.opening
        return Run(
            scenario=self.scenario,
            session=self.session,
            seed=self.terms.seed,
            people=self.people,
            coming=self.coming,
            seconds=self.seconds,
            peak=self.peak,
            peak_found=self.peak_found,
            began_at=self._began_at,
            ticks=[Tick(**{**tick, "at": tick["at"] - self.opening}) for tick in self.ticks],
            phases=self.phases,
            counties=self.watched.seats.records(),
            paid=self.outcomes,
            pays=self.pays,
            acks=self.acks(),
        )

    def acks(self) -> list[checking.Ack]:
        """What candidates were told last, as generators have written it down at their end."""
        return checking.read_acks(self._acks_files())

    def forget_acks(self) -> None:
        """Of an earlier rehearsal in the folder, which may have had more generators."""
        for file in self._acks_files():
            file.unlink()

    def _acks_files(self) -> list[Path]:
        return sorted(self.terms.folder.glob("acks-*.jsonl"))
